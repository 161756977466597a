use spki::der::Encode;

use super::*;

pub(crate) const P256: &str = "-----BEGIN PUBLIC KEY-----\n\
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEfqqnQlYYvYQq+8rB3+s8m3XMqWzB\n\
    uh2ryrIZkvXbUU93r1ChEXVuy+UGvSuf9qWzmDDkwGG2bhCurk+aR7kx2w==\n\
    -----END PUBLIC KEY-----\n";

pub(crate) const P384: &str = "-----BEGIN PUBLIC KEY-----\n\
    MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE+S5QMODPU8f6OPvdHBdsrs4sa8H2f866\n\
    raU0PFo7XX9U5fQ6BUzJbsNAbgvf53l/1gSaD6CpTvKeBJ3SsgiqgcCk0SiglqDl\n\
    hld1qvKti01XMvQPGauI21tDPn6Mnh/1\n\
    -----END PUBLIC KEY-----\n";

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../tests/fixtures/", $name))
    };
}

/// What no error may say.
const CANARY: &str = "hunter2";

fn fault(text: &str) -> Fault {
    PublicKey::parse(text).unwrap_err()
}

/// A key in the form of `openssl pkey -pubout`.
fn pem_of(der: &[u8]) -> String {
    pem::encode("PUBLIC KEY", der).unwrap()
}

fn ed25519(point: [u8; 32]) -> String {
    let head = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    pem_of(&[&head[..], &point].concat())
}

/// An RSA key with these numbers, big-endian and positive.
fn rsa(modulus: &[u8], exponent: &[u8]) -> String {
    let key = rsa::pkcs1::RsaPublicKeyRef {
        modulus: rsa::pkcs1::UintRef::new(modulus).unwrap(),
        public_exponent: rsa::pkcs1::UintRef::new(exponent).unwrap(),
    };
    let key = key.to_der().unwrap();
    let info = spki::SubjectPublicKeyInfoRef {
        algorithm: rsa::pkcs1::ALGORITHM_ID,
        subject_public_key: spki::der::asn1::BitStringRef::from_bytes(&key).unwrap(),
    };
    pem_of(&info.to_der().unwrap())
}

#[test]
fn keys_of_every_kind_are_read() {
    for (text, expected) in [
        (fixture!("keys/p256.pub"), Algorithm::P256),
        (fixture!("keys/p384.pub"), Algorithm::P384),
        (fixture!("keys/p521.pub"), Algorithm::P521),
        (fixture!("keys/ed25519.pub"), Algorithm::Ed25519),
        (fixture!("keys/rsa2048.pub"), Algorithm::Rsa(2048)),
        (fixture!("keys/rsa3072.pub"), Algorithm::Rsa(3072)),
        (fixture!("keys/rsa4096.pub"), Algorithm::Rsa(4096)),
    ] {
        let key = PublicKey::parse(text).unwrap();
        assert_eq!(key.algorithm(), expected);
        assert_eq!(key.to_pem(), text);
    }
}

#[test]
fn what_stands_around_a_key_and_how_its_lines_end_is_nothing() {
    let plain = PublicKey::parse(P256).unwrap();
    let body: String = P256.lines().filter(|line| !line.starts_with('-')).collect();
    for text in [
        P256.replace('\n', "\r\n"),
        P256.replace('\n', "\r"),
        format!("our key:\n\n{P256}\nthe end"),
        P256.replace('\n', "\n    "),
        format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----"),
        P256.trim_end().to_owned(),
    ] {
        assert_eq!(PublicKey::parse(&text).unwrap(), plain, "{text:?}");
    }
}

#[test]
fn other_keys_are_refused_by_name() {
    let generic = "use ECDSA (P-256), Ed25519 or RSA";
    let curves = "use P-256, P-384 or P-521";
    for (text, expected) in [
        (fixture!("refused/rsa1024.pem"), "an RSA key has 2048 to 4096 bits, this one has 1024".to_owned()),
        (fixture!("refused/rsa4104.pem"), "an RSA key has 2048 to 4096 bits, this one has 4104".to_owned()),
        (fixture!("refused/rsa-pss.pem"), format!("RSA-PSS keys are not supported: {generic}")),
        (fixture!("refused/ed448.pem"), format!("Ed448 keys are not supported: {generic}")),
        (fixture!("refused/x25519.pem"), format!("X25519 keys are not supported: {generic}")),
        (fixture!("refused/p224.pem"), format!("the curve P-224 is not supported: {curves}")),
        (fixture!("refused/secp256k1.pem"), format!("the curve secp256k1 is not supported: {curves}")),
        (
            fixture!("refused/explicit.pem"),
            format!("the curve of written-out parameters is not supported: {curves}"),
        ),
        (
            fixture!("refused/pkcs1.pem"),
            "this is a key in the form PKCS#1: convert it with `openssl rsa -RSAPublicKey_in -in KEY -pubout`".to_owned(),
        ),
        (
            fixture!("refused/certificate.pem"),
            "this is a certificate: take its key with `openssl x509 -in CERTIFICATE -noout -pubkey`".to_owned(),
        ),
    ] {
        assert_eq!(fault(text).to_string(), expected);
    }
}

#[test]
fn a_private_key_is_refused_as_one_and_never_repeated() {
    for label in [
        "PRIVATE KEY",
        "EC PRIVATE KEY",
        "RSA PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "ENCRYPTED COSIGN PRIVATE KEY",
        "ENCRYPTED SIGSTORE PRIVATE KEY",
    ] {
        let whole = format!("-----BEGIN {label}-----\n{CANARY}\n-----END {label}-----\n");
        let begun = format!("-----BEGIN {label}-----\n{CANARY}");
        let beside = format!("{P256}{whole}");
        let folded = whole.replace('\n', " ");
        for text in [whole, begun, beside, folded] {
            let error = only_fault(&[P384, &text]);
            assert_eq!(error, KeyError { key: 1, block: None, fault: Fault::PrivateKey }, "{label}");
            let shown = format!("{error} {error:?}");
            assert!(shown.starts_with("publicKeys[1]: this is a private key: "), "{shown}");
            assert!(shown.contains("openssl pkey -in KEY -pubout") && !shown.contains(CANARY), "{shown}");
            assert_eq!(read_certificates(&text), Err(Fault::PrivateKeyForCertificate));
        }
    }
}

#[test]
fn text_that_is_no_key_is_refused_and_never_repeated() {
    let cut = P256.replace("-----END PUBLIC KEY-----", "");
    let half = P256.replace("uh2ryr", "");
    let other = P256.replace("PUBLIC KEY", CANARY);
    for (text, expected) in [
        ("", Fault::NoBlock),
        ("ssh-ed25519 hunter2", Fault::NoBlock),
        ("-----BEGIN PUBLIC KEY-----", Fault::Unreadable),
        ("-----BEGIN PUBLIC KEY-----\nhunter2!\n-----END PUBLIC KEY-----", Fault::Unreadable),
        ("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----", Fault::Unreadable),
        ("-----BEGIN hunter2\n", Fault::Unreadable),
        (&P256.replace('\n', " "), Fault::Unreadable),
        (&cut, Fault::Unreadable),
        (&half, Fault::Unreadable),
        (&other, Fault::OtherBlock),
        (&format!("{P256}{P384}"), Fault::TooMany),
        (&" ".repeat(KEY_CHARACTERS + 1), Fault::TooLong(KEY_CHARACTERS)),
    ] {
        let found = fault(text);
        assert_eq!(found, expected, "{text}");
        assert!(!format!("{found} {found:?}").contains(CANARY), "{text}");
    }
}

/// Everybody can make signatures that such keys verify.
#[test]
fn weak_points_of_ed25519_are_refused() {
    let hex = |text: &str| -> [u8; 32] {
        let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
        (0..64).step_by(2).map(byte).collect::<Vec<_>>().try_into().unwrap()
    };
    // The points of small order, in all ways to write them that there are.
    for point in [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ] {
        assert_eq!(fault(&ed25519(hex(point))), Fault::Weak, "{point}");
    }
    // The same y, written with p added to it.
    let mut strange = vec![];
    for low in 0xed..=0xff {
        let mut point = [0xff; 32];
        (point[0], point[31]) = (low, 0x7f);
        strange.push(fault(&ed25519(point)));
    }
    assert!(strange.iter().all(|fault| matches!(fault, Fault::Weak | Fault::NotOnCurve)), "{strange:?}");
    assert_eq!(fault(&ed25519([2; 32])), Fault::NotOnCurve);
}

#[test]
fn points_that_are_not_on_their_curve_are_refused() {
    let der = pem::blocks(P256).unwrap()[0].decode().unwrap();
    let mut off = der.clone();
    *off.last_mut().unwrap() ^= 1;
    assert_eq!(fault(&pem_of(&off)), Fault::NotOnCurve);
    let mut long = der.clone();
    long.push(0);
    assert_eq!(fault(&pem_of(&long)), Fault::Unreadable);
    assert_eq!(fault(&pem_of(&der[..der.len() - 1])), Fault::Unreadable);
}

#[test]
fn numbers_that_make_no_rsa_key_are_refused() {
    let mut odd = [0xff; 256];
    odd[255] = 0xfd;
    let mut even = odd;
    even[255] = 0xfe;
    assert!(PublicKey::parse(&rsa(&odd, &[1, 0, 1])).is_ok());
    for (modulus, exponent) in [
        (&even, &[1, 0, 1][..]),
        (&odd, &[1]),
        (&odd, &[2]),
        (&odd, &[0]),
        (&odd, &[0xff; 5]),
        (&odd, &[0xff; 256]),
    ] {
        assert_eq!(fault(&rsa(modulus, exponent)), Fault::RsaNumbers, "{exponent:?}");
    }
    // 2,047 bits.
    let mut small = odd;
    small[0] = 0x7f;
    assert_eq!(fault(&rsa(&small, &[1, 0, 1])), Fault::RsaSize(2047));
    assert_eq!(fault(&rsa(&[3], &[1, 0, 1])), Fault::RsaSize(2));
}

fn only_fault(texts: &[&str]) -> KeyError {
    let KeyErrors(faults) = read_keys(texts).unwrap_err();
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults[0]
}

#[test]
fn faults_name_the_key_by_its_position() {
    let ed448 = fixture!("refused/ed448.pem");
    let error = only_fault(&[P384, &format!("{P256}\n{ed448}")]);
    assert_eq!(error, KeyError { key: 1, block: Some(2), fault: Fault::Algorithm("Ed448") });
    assert!(error.to_string().starts_with("publicKeys[1]: PEM block 2: Ed448 keys"), "{error}");
    let error = only_fault(&[P384, ed448]);
    assert!(error.to_string().starts_with("publicKeys[1]: Ed448 keys"), "{error}");
    assert_eq!(only_fault(&[P384, " "]), KeyError { key: 1, block: None, fault: Fault::NoBlock });
    assert_eq!(only_fault(&[""; 0]).fault, Fault::NoBlock);
}

#[test]
fn all_faults_are_named_at_once_and_private_keys_first() {
    let private = format!("-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----\n");
    let ed448 = fixture!("refused/ed448.pem");
    let errors = read_keys(&["", P384, &format!("{ed448}{P256}{ed448}"), &private]).unwrap_err();
    let found: Vec<_> = errors.0.iter().map(|error| (error.key, error.block, error.fault)).collect();
    let ed448 = Fault::Algorithm("Ed448");
    assert_eq!(
        found,
        [(3, None, Fault::PrivateKey), (0, None, Fault::NoBlock), (2, Some(1), ed448), (2, Some(3), ed448)]
    );
    let shown = errors.to_string();
    assert!(shown.starts_with("publicKeys[3]: this is a private key: "), "{shown}");
    assert!(shown.contains("; publicKeys[0]: there is no PEM block"), "{shown}");
}

#[test]
fn the_same_key_twice_is_one_and_there_are_at_most_ten() {
    let crlf = P256.replace('\n', "\r\n");
    assert_eq!(read_keys(&[P256, &crlf, &format!("{P384}{P256}")]).unwrap().len(), 2);
    let ten = P256.repeat(10);
    assert_eq!(read_keys(&[&ten]).unwrap().len(), 1);
    assert_eq!(only_fault(&[&ten, P256]), KeyError { key: 1, block: None, fault: Fault::TooMany });
}

#[test]
fn certificates_are_read() {
    let certificate = fixture!("refused/certificate.pem");
    let read = read_certificates(&format!("ours\r\n{certificate}{certificate}")).unwrap();
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].to_pem(), certificate);
    let broken = certificate.replacen("MII", "MIA", 1);
    for (text, expected) in [
        ("", Fault::NoCertificate),
        (P256, Fault::NotCertificate),
        (&broken, Fault::Unreadable),
        (&certificate.replace("END", "ENDE"), Fault::Unreadable),
    ] {
        assert_eq!(read_certificates(text), Err(expected), "{text}");
    }
}
