// The page: joins the rooms, asks for what they do not tell, hands it to the panels.

import { api } from "./api.js";
import { Alerts } from "./alerts.js";
import { CandleChart } from "./chart.js";
import { Connection } from "./connection.js";
import { byId, memory, setText } from "./dom.js";
import { isBroken, marketsOf, record, showFeeds, startRecord } from "./feeds.js";
import { group, span } from "./format.js";
import { clearPortfolio, showPortfolio } from "./portfolio.js";
import { Strategies } from "./strategies.js";
import { Tape } from "./tape.js";
import { keyOf, WatchList } from "./watch.js";

const STATUS_MS = 5_000;
/** Symbols can be walked through faster than rooms may be joined. */
const JOIN_MS = 150;

let state = "connecting";
let lostAt = null;
let missed = 0;
let joined = null;
let joining = null;

const chart = new CandleChart(() => show(watch.selected));
const tape = new Tape();
const alerts = new Alerts(showError);
const strategies = new Strategies();
const watch = new WatchList(choose, showError);
watch.reload = loadMarkets;

const connection = new Connection({ message: receive, live, lost });

function receive({ type, data, timestamp }) {
  switch (type) {
    case "price_update":
      watch.update(data);
      if (keyOf(data.exchange, data.symbol) === watch.selected?.key) showTitle(data);
      break;
    case "trade":
      tape.trade(data);
      break;
    case "candle":
      chart.update(data);
      break;
    case "gap":
      tape.gap(data);
      chart.gap(data);
      record("gap", data, timestamp);
      break;
    case "status":
      watch.mark(data.exchange, data.symbol, isBroken(data.state), data.reason);
      record("status", data, timestamp);
      loadStatus();
      break;
    case "alert":
      alerts.fired(data);
      break;
    case "signal":
      strategies.signal(data);
      break;
    case "portfolio_update":
      showPortfolio(data);
      break;
    case "dropped":
      missed += Number(data.count ?? 0);
      byId("missed").hidden = false;
      setText(byId("missed"), `${missed} messages missed`);
      record("dropped", data, timestamp);
      // What was missed is fetched.
      show(watch.selected);
      break;
    case "error":
      record("status", { exchange: "server", state: data.code, reason: data.message }, timestamp);
      break;
  }
}

// Trades and candles of the chosen market: live first, then the past, so that nothing falls between.
function show(market) {
  clearTimeout(joining);
  joining = setTimeout(() => {
    const rooms = market ? [`trades:${market.key}`, `candles:${market.key}`] : [];
    for (const room of joined ?? []) connection.leave(room);
    joined = rooms;
    if (market) {
      connection.join(rooms[0]);
      connection.join(rooms[1], { interval: chart.interval });
    }
    const { exchange = null, symbol = null } = market ?? {};
    chart.load(exchange, symbol);
    tape.load(exchange, symbol);
  }, JOIN_MS);
}

function choose(exchange, symbol) {
  byId("chart-gap").hidden = true;
  const market = symbol === null ? null : { exchange, symbol, key: keyOf(exchange, symbol) };
  if (market) memory.set("market", market.key);
  alerts.offer(symbol);
  showTitle(watch.selected?.ticker);
  show(market);
}

async function loadMarkets() {
  const [status, { prices }] = await Promise.all([api.status(), api.prices()]);
  showStatus(status);
  const markets = marketsOf(status);
  watch.load(markets, prices);
  for (const { exchange, symbol, state: is, reason } of markets) {
    if (isBroken(is)) watch.mark(exchange, symbol, true, reason);
  }
}

async function live(welcome) {
  const again = lostAt !== null;
  if (again) record("live", `after ${span((Date.now() - lostAt) / 1_000)}`, new Date().toISOString());
  lostAt = null;
  setState("live");
  setText(byId("provider"), welcome?.provider ?? "");
  setText(byId("version"), `tickwire ${welcome?.version ?? ""}`);
  byId("notice").hidden = true;
  const rest = [alerts.load(), strategies.load(), loadPortfolio()];
  try {
    await loadMarkets();
    watch.select(watch.selected?.key ?? memory.get("market"));
  } catch (error) {
    showNotice(error);
  }
  await Promise.all(rest);
}

async function loadPortfolio() {
  try {
    showPortfolio(await api.portfolio());
  } catch (error) {
    showPortfolio(null, error);
  }
}

async function lost(reason) {
  if (lostAt === null && state === "live") {
    lostAt = Date.now();
    record("lost", reason || "the connection is gone", new Date().toISOString());
  }
  setState(lostAt === null ? "connecting" : "reconnecting");
  // A refused handshake has no reason here; a request has one.
  try {
    await api.status();
  } catch (error) {
    if (error.code !== "unreachable") showNotice(error);
  }
}

async function loadStatus() {
  if (state !== "live") return;
  try {
    const status = await api.status();
    showStatus(status);
    for (const { exchange, symbol, state: is, reason } of marketsOf(status)) {
      watch.mark(exchange, symbol, isBroken(is), reason);
    }
  } catch {
    // The connection tells when the server is gone.
  }
}

function showStatus(status) {
  showFeeds(status);
  document.body.dataset.health = status.status === "healthy" ? "healthy" : "degraded";
  showConnection();
}

function setState(next) {
  state = next;
  document.body.dataset.state = next;
  showConnection();
}

// Also every second, for the clock and the time since.
function showConnection() {
  const now = new Date();
  setText(byId("clock"), `${now.toISOString().slice(11, 19)} UTC`);
  const heard = connection.heard;
  const words = {
    connecting: heard ? "reconnecting" : "connecting",
    live: document.body.dataset.health === "degraded" ? "live, feed degraded" : "live",
    reconnecting: "reconnecting",
  };
  const since = `, stale since ${new Date(heard).toISOString().slice(11, 19)}`;
  const line = words[state] + (state !== "live" && heard ? since : "");
  setText(byId("connection-text"), line);
  byId("connection").title = heard ? `last message ${span((now - heard) / 1_000)} ago` : "";
}

function showTitle(ticker) {
  const bell = alerts.unseen > 0 ? `(${alerts.unseen}) ` : "";
  document.title = ticker ? `${bell}${group(ticker.price)} ${ticker.symbol} · tickwire` : `${bell}tickwire`;
}

function showNotice(error) {
  const notice = byId("notice");
  notice.hidden = false;
  const open = `${location.origin}/?token=…`;
  const text =
    error.status === 401
      ? `This server needs a token: open ${open} once with the token from server.token; the browser keeps it.`
      : `The server answered: ${error.message}`;
  setText(notice, text);
}

function showError(id, error) {
  const line = byId(id);
  line.hidden = error === null;
  setText(line, error?.message ?? "");
}

const THEMES = { auto: "Auto", light: "Light", dark: "Dark" };

function setTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  memory.set("theme", theme);
  setText(byId("theme"), THEMES[theme]);
  byId("theme").setAttribute("aria-label", `Theme: ${theme === "auto" ? "as the system" : theme}`);
  chart.paint();
}

byId("theme").addEventListener("click", () => {
  const names = Object.keys(THEMES);
  const now = document.documentElement.dataset.theme ?? "auto";
  setTheme(names[(names.indexOf(now) + 1) % names.length]);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chart.paint());

startRecord();
clearPortfolio();
setTheme(document.documentElement.dataset.theme ?? "auto");
show(null);
for (const room of ["prices", "alerts", "signals", "status", "portfolio"]) connection.join(room);
connection.connect();
setInterval(showConnection, 1_000);
setInterval(() => {
  if (!document.hidden) loadStatus();
}, STATUS_MS);
