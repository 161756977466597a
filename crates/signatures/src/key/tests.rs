pub(crate) const P256: &str = "-----BEGIN PUBLIC KEY-----\n\
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEfqqnQlYYvYQq+8rB3+s8m3XMqWzB\n\
    uh2ryrIZkvXbUU93r1ChEXVuy+UGvSuf9qWzmDDkwGG2bhCurk+aR7kx2w==\n\
    -----END PUBLIC KEY-----\n";

pub(crate) const P384: &str = "-----BEGIN PUBLIC KEY-----\n\
    MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE+S5QMODPU8f6OPvdHBdsrs4sa8H2f866\n\
    raU0PFo7XX9U5fQ6BUzJbsNAbgvf53l/1gSaD6CpTvKeBJ3SsgiqgcCk0SiglqDl\n\
    hld1qvKti01XMvQPGauI21tDPn6Mnh/1\n\
    -----END PUBLIC KEY-----\n";
