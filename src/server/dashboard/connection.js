// The WebSocket: connects again by itself and joins its rooms again.

import { parse } from "./json.js";

const SHORTEST_MS = 500;
const LONGEST_MS = 15_000;
/** Quiet for so long: ask whether the server is there. */
const ASK_MS = 5_000;
/** Quiet for so long in spite of it: it is not. */
const DEAD_MS = 15_000;

export class Connection {
  #socket = null;
  #rooms = new Map();
  #attempt = 0;
  #timer = null;
  #heard = 0;
  #started = 0;
  #open = false;
  #on;

  /** `on` has `message(message)`, `live()` after each welcome, and `lost(reason)`. */
  constructor(on) {
    this.#on = on;
    setInterval(() => this.#check(), 1_000);
    addEventListener("online", () => this.retry());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.retry();
    });
  }

  /** When the server was last heard of, in milliseconds since 1970. 0: never. */
  get heard() {
    return this.#heard;
  }

  connect() {
    clearTimeout(this.#timer);
    this.#timer = null;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/ws`);
    this.#socket = socket;
    this.#started = Date.now();
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = (event) => this.#lose(event.reason);
  }

  /** Connects now instead of after the rest of the pause. */
  retry() {
    if (this.#timer !== null) this.connect();
  }

  /** Joins a room now and after every new connection. */
  join(room, options = {}) {
    this.#rooms.set(room, options);
    if (this.#open) this.#send({ type: "join_room", room, ...options });
  }

  leave(room) {
    if (this.#rooms.delete(room) && this.#open) this.#send({ type: "leave_room", room });
  }

  #send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #receive(text) {
    this.#heard = Date.now();
    let message;
    try {
      message = parse(text);
    } catch {
      return;
    }
    if (message.type === "welcome") {
      this.#open = true;
      this.#attempt = 0;
      for (const [room, options] of this.#rooms) this.#send({ type: "join_room", room, ...options });
      this.#on.live(message.data);
      return;
    }
    this.#on.message(message);
  }

  #lose(reason) {
    const socket = this.#socket;
    if (socket) {
      // A dead peer never answers the close: nothing more of this socket counts.
      socket.onmessage = null;
      socket.onclose = null;
      socket.close();
    }
    this.#socket = null;
    this.#open = false;
    const longest = Math.min(LONGEST_MS, SHORTEST_MS * 2 ** this.#attempt);
    const pause = SHORTEST_MS + Math.random() * (longest - SHORTEST_MS);
    this.#attempt += 1;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.connect(), pause);
    this.#on.lost(reason);
  }

  #check() {
    if (!this.#socket) return;
    const quiet = Date.now() - Math.max(this.#heard, this.#started);
    if (quiet > DEAD_MS) this.#lose("");
    else if (this.#open && quiet > ASK_MS) this.#send({ type: "ping" });
  }
}
