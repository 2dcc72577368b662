// Elements. Everything that comes from outside becomes a text node, never markup.

/**
 * An element. `options` are `class`, `text`, `on` (listeners) and attributes; `null` and `false` leave one out.
 * Children are elements or texts.
 */
export function element(tag, options = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (value == null || value === false) continue;
    if (name === "class") made.className = value;
    else if (name === "text") made.textContent = value;
    else if (name === "on") {
      for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    } else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

/** Changes a text only where it differs: an unchanged one costs no layout. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** An element of the page. */
export function byId(id) {
  return document.getElementById(id);
}

/** For screen readers only. */
export function hidden(text) {
  return element("span", { class: "hidden", text });
}

/** A mark with a word: the shape tells it without the colour. `tone`: good, warn, bad, idle. */
export function chip(word, tone, title) {
  return element("span", { class: `chip ${tone}`, title, text: word });
}

/** The row of a list that has nothing to show. */
export function emptyRow(columns, text) {
  return element("tr", { class: "empty" }, element("td", { colspan: columns, text }));
}

/** Runs `draw` at the next frame, at most every 100 ms, however often it is asked for. */
export function painter(draw) {
  let wanted = false;
  let last = 0;
  const run = () => {
    wanted = false;
    last = performance.now();
    draw();
  };
  return () => {
    if (wanted) return;
    wanted = true;
    const wait = Math.max(0, last + 100 - performance.now());
    setTimeout(() => requestAnimationFrame(run), wait);
  };
}

/** What the browser remembers. */
export const memory = {
  get(name) {
    try {
      return localStorage.getItem(`tickwire.${name}`);
    } catch {
      return null;
    }
  },
  set(name, value) {
    try {
      localStorage.setItem(`tickwire.${name}`, value);
    } catch {
      // Storage can be forbidden; then nothing is remembered.
    }
  },
};
