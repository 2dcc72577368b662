// The health of the feeds, and what went wrong with them.

import { byId, chip, element, emptyRow, setText } from "./dom.js";
import { milliseconds, NONE, span, time } from "./format.js";

const KEPT = 100;
const TONES = {
  connected: "good",
  quiet: "good",
  connecting: "warn",
  reconnecting: "warn",
  fallback: "warn",
  stale: "bad",
  failed: "bad",
};
/** States in which the newest price of a market is not a current one. */
const BROKEN = new Set(["stale", "failed", "reconnecting", "stopped"]);

/** Whether prices in this state are not current. */
export const isBroken = (state) => BROKEN.has(state);

const toneOf = (state) => TONES[state] ?? "idle";

/** Shows `/status`. */
export function showFeeds(status) {
  const feeds = status.feeds ?? [];
  const rows = feeds.flatMap((feed) => [feedRow(feed), ...troubled(feed)]);
  byId("feeds").replaceChildren(...(rows.length ? rows : [emptyRow(7, "No feed is connected.")]));
  const clients = (status.clients ?? []).length;
  const memory = status.process?.memory_bytes;
  const parts = [
    `up ${span(status.uptime)}`,
    clients === 1 ? "1 client" : `${clients} clients`,
    memory ? `${(Number(memory) / 2 ** 20).toFixed(0)} MiB` : null,
  ];
  setText(byId("server"), parts.filter(Boolean).join(" · "));
}

function feedRow(feed) {
  const latency = feed.latency_ms ?? {};
  const missing = Number(feed.missing ?? 0);
  const gaps = missing > 0 ? `${feed.gaps} (${feed.missing})` : (feed.gaps ?? "0");
  const number = (text, title) => element("td", { class: "number", title, text });
  return element(
    "tr",
    {},
    element("th", { scope: "row", title: `up ${span(feed.uptime)}` }, element("b", { text: feed.provider })),
    element("td", {}, chip(feed.state, toneOf(feed.state), feed.reason)),
    number(span(feed.age), "since anything was heard"),
    number(`${milliseconds(latency.p50)} / ${milliseconds(latency.p99)}`, `half within ${milliseconds(latency.p50)}, 99 of 100 within ${milliseconds(latency.p99)}, longest ${milliseconds(latency.max)}`),
    number(feed.rate == null ? NONE : Number(feed.rate).toFixed(1), `${feed.messages} messages, ${feed.bad_frames ?? 0} not understood`),
    number(gaps, `${feed.gaps} holes, ${feed.missing} trades missing, ${feed.repairs} repaired, ${feed.recovered} fetched`),
    number(feed.reconnects ?? NONE, `connected ${feed.connects} times`),
  );
}

// Markets that are not as their feed is.
function troubled(feed) {
  const worse = (feed.symbols ?? []).filter(({ state }) => state !== feed.state && toneOf(state) !== "good");
  return worse.map(({ symbol, state, reason, age }) =>
    element(
      "tr",
      { class: "sub" },
      element("th", { scope: "row", text: symbol }),
      element("td", {}, chip(state, toneOf(state), reason)),
      element("td", { class: "number", text: span(age) }),
      element("td", { colspan: 4, class: "quiet", text: reason ?? "" }),
    ),
  );
}

/** The markets whose prices come: `{exchange, symbol, state, reason}`. */
export function marketsOf(status) {
  return (status.feeds ?? []).flatMap((feed) =>
    (feed.symbols ?? [])
      .filter(({ streams }) => !streams || streams.includes("ticker"))
      .map(({ symbol, state, reason }) => ({ exchange: feed.provider, symbol, state, reason })),
  );
}

/** Takes a change of state, a hole, or what this page missed. */
export function record(kind, data, timestamp) {
  const log = byId("events");
  log.querySelector(".empty")?.remove();
  const [word, tone, where, text] = describe(kind, data);
  log.prepend(
    element(
      "li",
      {},
      element("time", { text: time(timestamp) }),
      chip(word, tone),
      element("b", { text: where }),
      element("span", { class: "quiet", text }),
    ),
  );
  while (log.children.length > KEPT) log.lastChild.remove();
}

function describe(kind, data) {
  if (kind === "dropped") {
    return ["missed", "bad", "this page", `${data.count} messages in ${(data.rooms ?? []).join(", ")}`];
  }
  const where = [data.exchange, data.symbol].filter(Boolean).join(" ");
  if (kind === "gap") {
    const missing = data.missing === null ? "unknown missing" : `${data.missing} missing`;
    const text = `${data.stream}, ${time(data.from)} to ${time(data.to)}, ${missing}, ${data.recovered} fetched, ${data.reason}`;
    return [data.state === "repaired" ? "repaired" : "gap", data.state === "repaired" ? "good" : "bad", where, text];
  }
  if (kind === "lost") return ["offline", "bad", "this page", data];
  if (kind === "live") return ["live", "good", "this page", data];
  return [data.state, toneOf(data.state), where, data.reason ?? ""];
}

/** Says that nothing happened. */
export function startRecord() {
  byId("events").append(element("li", { class: "empty", text: "None since this page was opened." }));
}
