// Requests to the server this page came from.

import { parse } from "./json.js";

const DEADLINE_MS = 20_000;

/** A refusal, or no answer (`code` is then `unreachable`). */
export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

async function call(method, path, body) {
  const request = { method, signal: AbortSignal.timeout(DEADLINE_MS), cache: "no-store" };
  if (method !== "GET") {
    request.headers = { "Content-Type": "application/json" };
    request.body = JSON.stringify(body ?? {});
  }
  let response;
  let text;
  try {
    response = await fetch(path, request);
    text = await response.text();
  } catch {
    throw new ApiError(0, "unreachable", "the server does not answer");
  }
  let answer = null;
  try {
    answer = text ? parse(text) : null;
  } catch {
    // Judged by the status below.
  }
  if (response.ok) return answer;
  const error = answer?.error;
  throw new ApiError(response.status, error?.code ?? "error", error?.message ?? `status ${response.status}`);
}

const market = (exchange, symbol) => ({ provider: exchange, symbol });
const query = (members) => new URLSearchParams(members).toString();

export const api = {
  prices: () => call("GET", "/api/v1/prices"),
  // 503 is an answer, too, but /status is always 200.
  status: () => call("GET", "/status"),
  candles: (exchange, symbol, interval, limit) =>
    call("GET", `/api/v1/candles?${query({ ...market(exchange, symbol), interval, limit })}`),
  trades: (exchange, symbol, limit) =>
    call("GET", `/api/v1/trades?${query({ ...market(exchange, symbol), limit })}`),
  findSymbols: (text) => call("GET", `/api/v1/symbols?${query({ query: text })}`),
  addSymbol: (text) => call("POST", "/api/v1/symbols", { symbols: [text] }),
  removeSymbol: (exchange, symbol) =>
    call("DELETE", "/api/v1/symbols", { symbols: [symbol], provider: exchange }),
  alerts: () => call("GET", "/api/v1/alerts"),
  createAlert: (rule) => call("POST", "/api/v1/alerts", rule),
  deleteAlert: (name) => call("DELETE", `/api/v1/alerts/${encodeURIComponent(name)}`),
  portfolio: () => call("GET", "/api/v1/portfolio"),
  strategies: () => call("GET", "/api/v1/strategies"),
  switchStrategy: (name, action) =>
    call("POST", `/api/v1/strategies/${encodeURIComponent(name)}/${action}`),
};
