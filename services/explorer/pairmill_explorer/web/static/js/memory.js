/** What this browser remembers between visits; a browser that refuses storage forgets, and that is all. */

/** Returns what was kept under a name, or null. */
export function recall(name, storage = localStorage) {
  try {
    return storage.getItem(`pairmill.${name}`);
  } catch {
    return null;
  }
}

/** Keeps a text under a name; null removes it. */
export function remember(name, value, storage = localStorage) {
  try {
    if (value === null) storage.removeItem(`pairmill.${name}`);
    else storage.setItem(`pairmill.${name}`, value);
  } catch {
    // Private windows and full storages refuse; nothing depends on it.
  }
}
