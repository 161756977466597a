
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const owners = data.rows;
  const PAGE = 500;
  const ON_PAPER = 2000;
  const LONGEST = 300;
  const VIEWS = {owner: "By owner", namespace: "By namespace", policy: "By policy"};
  const FILTERS = ["q", "result", "ns", "policy"];
  const NOWHERE = "(none)";
  const at = (id) => document.getElementById(id);
  const name = (it) => `${it.kind}/${it.name}`;
  const count = (number) => number.toLocaleString("en");
  const counted = (number, one, many) => `${count(number)} ${number === 1 ? one : many || one + "s"}`;

  // Text nodes alone: what others wrote is never markup.
  function element(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value !== undefined && value !== null) made.setAttribute(key, value);
    }
    made.append(...children.filter((child) => child !== null && child !== ""));
    return made;
  }

  const clipped = (text) =>
    text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}… (${count(text.length)} characters)`;

  // What the address says: everything that is chosen.
  function chosen() {
    const given = new URLSearchParams(location.hash.slice(1));
    const state = {by: VIEWS[given.get("by")] ? given.get("by") : data.by, sort: given.get("sort") || ""};
    for (const key of FILTERS) state[key] = given.get(key) || "";
    return state;
  }

  function address(state) {
    const given = new URLSearchParams();
    for (const [key, value] of Object.entries(state)) {
      if (value && !(key === "by" && value === data.by)) given.set(key, value);
    }
    const text = given.toString();
    return text ? `#${text}` : "#";
  }

  // What is typed and not yet searched for counts, too.
  function choose(change) {
    history.replaceState(null, "", address({...chosen(), q: at("q").value, ...change}));
    draw();
  }

  const place = (row) => row.namespace || NOWHERE;
  const texts = new Map();
  function text(row) {
    if (!texts.has(row)) {
      const parts = [row.namespace, name(row.owner), row.owner.group];
      for (const it of row.violations) parts.push(name(it.policy), it.enforcementAction, it.message);
      texts.set(row, parts.join("\n").toLowerCase());
    }
    return texts.get(row);
  }

  const fails = (it) => it.enforcementAction === "deny";
  const earliest = (times) => times.filter(Boolean).sort()[0] || null;
  const sum = (all) => all.reduce((a, it) => a + it.count, 0);

  // The owners that remain, each with those violations that the filters leave.
  function matching(state) {
    const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    const kept = (it) =>
      (!state.policy || name(it.policy) === state.policy) && (!state.result || (state.result === "fail") === fails(it));
    const rows = [];
    for (const row of owners) {
      if (state.ns && place(row) !== state.ns) continue;
      if (!words.every((word) => text(row).includes(word))) continue;
      const violations = state.policy || state.result ? row.violations.filter(kept) : row.violations;
      if (violations.length) rows.push(counts(row, violations));
    }
    return rows;
  }

  function counts(row, violations) {
    const fail = sum(violations.filter(fails));
    return {
      row, violations, fail, warn: sum(violations) - fail, since: earliest(violations.map((it) => it.since)),
      namespace: place(row), owner: name(row.owner), policies: [...new Set(violations.map((it) => name(it.policy)))],
    };
  }

  function grouped(rows, keys) {
    const groups = new Map();
    for (const one of rows) {
      for (const [key, violations] of keys(one)) {
        const group = groups.get(key) || {
          key, owners: 0, fail: 0, warn: 0, since: null, policies: new Set(), namespaces: new Set(),
        };
        groups.set(key, group);
        const part = counts(one.row, violations);
        group.owners += 1;
        group.fail += part.fail;
        group.warn += part.warn;
        group.since = earliest([group.since, part.since]);
        part.policies.forEach((policy) => group.policies.add(policy));
        group.namespaces.add(one.namespace);
      }
    }
    return [...groups.values()].map((group) => ({
      ...group, namespace: group.key, policy: group.key, policies: [...group.policies], namespaces: group.namespaces.size,
    })).sort((a, b) => b.fail - a.fail || b.warn - a.warn || (a.key < b.key ? -1 : 1));
  }

  const byNamespace = (one) => [[one.namespace, one.violations]];
  function byPolicy(one) {
    const all = new Map();
    for (const it of one.violations) {
      const key = name(it.policy);
      all.set(key, [...(all.get(key) || []), it]);
    }
    return all;
  }

  const dated = owners.some((row) => row.since);
  const since = [["since", "Since"]].filter(() => dated);
  const FAIL_WARN = [["fail", "Failed", true], ["warn", "Warned", true]];
  const COLUMNS = {
    owner: [["namespace", "Namespace"], ["owner", "Owner"], ...FAIL_WARN, ["policies", "Policies"], ...since],
    namespace: [["namespace", "Namespace"], ["owners", "Owners", true], ...FAIL_WARN, ["policies", "Policies"], ...since],
    policy: [["policy", "Policy"], ["namespaces", "Namespaces", true], ["owners", "Owners", true], ...FAIL_WARN, ...since],
  };

  function sorted(rows, state) {
    const [, back, key] = /^(-?)(\w+)$/.exec(state.sort) || [];
    const column = COLUMNS[state.by].find((it) => it[0] === key);
    if (!column) return rows;
    const value = (row) => (Array.isArray(row[key]) ? row[key].join() : row[key] ?? "");
    const order = (a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0);
    return rows.slice().sort(back ? (a, b) => order(b, a) : order);
  }

  function header([key, label, number], state) {
    const is = state.sort.replace("-", "") === key;
    const direction = is ? (state.sort.startsWith("-") ? "descending" : "ascending") : undefined;
    const button = element("button", {type: "button", "data-sort": key}, label);
    // The worst first, once more the other way round, and then as it was.
    const [first, second] = number ? [`-${key}`, key] : [key, `-${key}`];
    const next = state.sort === first ? second : state.sort === second ? "" : first;
    button.addEventListener("click", () => {
      choose({sort: next});
      document.querySelector(`[data-sort="${key}"]`).focus();
    });
    const kind = `of-${key}${number ? " number" : ""}`;
    return element("th", {scope: "col", "aria-sort": direction, class: kind}, button);
  }

  const link = (label, state) => element("a", {href: address({...chosen(), sort: "", ...state})}, clipped(label));

  function reason(it) {
    const times = it.count > 1 ? `, ${counted(it.count, "time")}` : "";
    const when = it.since ? `, since ${it.since}` : "";
    const kind = element("span", {class: fails(it) ? "fail" : "warn"}, it.enforcementAction);
    return element("li", {}, kind, ` ${clipped(name(it.policy))}: ${clipped(it.message)}`,
      element("span", {class: "soft"}, `${times}${when}`));
  }

  function filled(details) {
    if (details.children.length === 1) details.append(element("ul", {}, ...details.violations.map(reason)));
  }

  function details(one) {
    const made = element("details", {}, element("summary", {}, clipped(one.owner)));
    made.violations = one.violations;
    made.addEventListener("toggle", () => filled(made));
    return made;
  }

  function cell(key, row, by, first) {
    if (key === "owner") return element("th", {scope: "row"}, details(row));
    const number = typeof row[key] === "number";
    const marked = (key === "fail" || key === "warn") && row[key] ? ` ${key}` : "";
    let value = number ? count(row[key]) : Array.isArray(row[key]) ? clipped(row[key].join(", ")) : clipped(row[key] ?? "");
    if (by !== "owner" && key === "namespace") value = link(row.namespace, {by: "owner", ns: row.namespace});
    if (by !== "owner" && key === "policy") value = link(row.policy, {by: "owner", policy: row.policy});
    const tag = first && by !== "owner" ? "th" : "td";
    return element(tag, {scope: tag === "th" ? "row" : undefined, class: number ? `number${marked}` : undefined}, value);
  }

  let waiting = [];
  let body = null;
  let view = "owner";
  function append(most) {
    const columns = COLUMNS[view];
    const rows = waiting.splice(0, most);
    const made = document.createDocumentFragment();
    for (const row of rows) made.append(element("tr", {}, ...columns.map(([key], i) => cell(key, row, view, i === 0))));
    body.append(made);
    at("more").hidden = waiting.length === 0;
    at("some").textContent = `Show ${count(Math.min(PAGE, waiting.length))} more rows`;
    at("all").textContent = `Show all ${count(waiting.length)} other rows`;
  }

  function draw() {
    const state = chosen();
    view = state.by;
    const found = matching(state);
    const rows = sorted(
      view === "owner" ? found : grouped(found, view === "namespace" ? byNamespace : byPolicy), state);
    for (const key of FILTERS) {
      if (at(key).value !== state[key]) at(key).value = state[key];
    }
    at("views").replaceChildren(...Object.entries(VIEWS).map(([by, label]) => {
      const made = link(label, {by});
      if (by === view) made.setAttribute("aria-current", "page");
      return made;
    }));
    const failed = found.reduce((a, one) => a + one.fail, 0);
    const warned = found.reduce((a, one) => a + one.warn, 0);
    at("count").textContent = `${count(found.length)} of ${counted(owners.length, "owner")}: ` +
      `${count(failed)} failed, ${count(warned)} warned`;
    body = element("tbody");
    const head = element("tr", {}, ...COLUMNS[view].map((column) => header(column, state)));
    at("results").replaceChildren(element("table", {}, element("caption", {}, VIEWS[view]), element("thead", {}, head), body));
    waiting = rows;
    append(PAGE);
  }

  function about() {
    const audit = data.audit;
    const source = audit
      ? `Gatekeeper’s audit of ${audit.timestamp} lists ${count(audit.listed)} of ${counted(audit.total, "violation")}.`
      : "Files, judged by gatewright check without a cluster.";
    const where = data.namespace ? ` Namespace ${clipped(data.namespace)} only.` : "";
    at("about").textContent = `${source}${where} Made ${data.created} by gatewright ${data.program}.`;
    const all = data.summary.allNamespaces;
    const inAll = all === null || data.namespace ? "" : ` of ${count(all)}`;
    const totals = [["failed", count(data.summary.failed)], ["warned", count(data.summary.warned)],
      ["owners", count(data.summary.owners)], ["namespaces", `${count(data.summary.namespaces)}${inAll}`]];
    at("totals").append(...totals.map(([what, number]) =>
      element("div", {}, element("dt", {}, what), element("dd", {}, number))));
    const notes = [...data.notes];
    for (const it of data.incomplete) notes.push(`not shown: ${it.what} (needs ${it.needs})`);
    const left = data.omitted;
    if (left.rows) {
      notes.push(`${counted(left.rows, "owner")} with ${count(left.fail)} failed and ${count(left.warn)} warned: ` +
        "the report would become too large");
    }
    at("notes").append(...notes.map((note) => element("li", {}, clipped(note))));
    at("unknown").hidden = notes.length === 0;
  }

  function options(id, all) {
    const made = [...all].sort().map((it) => element("option", {value: it}, clipped(it)));
    at(id).append(element("option", {value: ""}, "all"), ...made);
  }

  function listen() {
    let typing = 0;
    at("q").addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(() => choose({q: at("q").value}), owners.length > 2000 ? 150 : 0);
    });
    for (const key of ["result", "ns", "policy"]) {
      at(key).addEventListener("change", () => choose({[key]: at(key).value}));
    }
    at("filters").addEventListener("submit", (event) => event.preventDefault());
    at("clear").addEventListener("click", (event) => {
      event.preventDefault();
      choose({q: "", result: "", ns: "", policy: ""});
      at("q").focus();
    });
    at("some").addEventListener("click", () => append(PAGE));
    at("all").addEventListener("click", () => append(Infinity));
    at("skip").addEventListener("click", (event) => {
      event.preventDefault();
      at("results").focus();
    });
    addEventListener("hashchange", draw);
    addEventListener("keydown", (event) => {
      const typed = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
      if (event.key === "/" && !typed && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        at("q").focus();
        at("q").select();
      } else if (event.key === "Escape" && event.target === at("q")) {
        event.preventDefault();
        at("q").value = "";
        choose({q: ""});
      }
    });
    // On paper stand the rows that are chosen, with their reasons.
    let opened = [];
    addEventListener("beforeprint", () => {
      append(Math.max(0, ON_PAPER - body.children.length));
      const all = body.children.length + waiting.length;
      at("paper").textContent = all > ON_PAPER
        ? `Printed are the first ${count(ON_PAPER)} of ${count(all)} rows. Filter the page to print others.` : "";
      opened = [...document.querySelectorAll(`tr:nth-child(-n + ${ON_PAPER}) details:not([open])`)];
      opened.forEach((it) => {
        filled(it);
        it.open = true;
      });
    });
    addEventListener("afterprint", () => opened.forEach((it) => (it.open = false)));
  }

  options("ns", new Set(owners.map(place)));
  options("policy", new Set(owners.flatMap((row) => row.violations.map((it) => name(it.policy)))));
  about();
  listen();
  draw();
})();
