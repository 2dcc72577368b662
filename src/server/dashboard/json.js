// JSON whose numbers stay the digits that were sent.

// A string or a number; strings are matched so that digits inside them are left alone.
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/**
 * Parses JSON. Every number becomes a text of its digits: as floats, 50000.10 would lose its last digit and a
 * long amount its value.
 */
export function parse(text) {
  const quoted = text.replace(TOKEN, (token) => (token[0] === '"' ? token : `"${token}"`));
  return JSON.parse(quoted);
}
