/**
 * Builds elements without markup. Every text becomes a text node, so that nothing that a dataset holds is ever
 * parsed; nothing in this interface uses innerHTML.
 */

const SVG = "http://www.w3.org/2000/svg";
/** What is set on the object, because the attribute of that name means its first value only. */
const PROPERTIES = new Set(["checked", "disabled", "hidden", "indeterminate", "value", "open", "selected"]);

/** Returns a new HTML element; `on` holds listeners by event, `css` custom properties, `data` data attributes. */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Returns a new SVG element. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** Replaces what stands in an element. */
export function put(node, ...children) {
  node.replaceChildren(...shown(children));
  return node;
}

/** As `put`; the focus goes to what has the same `data-key` as what had it, so that keys can be pressed again. */
export function putKeepingFocus(node, ...children) {
  const { activeElement } = document;
  const key = node.contains(activeElement) ? activeElement.dataset.key : undefined;
  put(node, ...children);
  if (key !== undefined) findKey(node, key)?.focus();
}

/** Returns an id that no other element of the page has. */
export function freshId(stem) {
  fresh += 1;
  return `${stem}-${fresh}`;
}

let fresh = 0;

function findKey(node, key) {
  return [...node.querySelectorAll("[data-key]")].find((each) => each.dataset.key === key);
}

function fill(node, attributes, children) {
  node.append(...shown(children));
  for (const [name, value] of Object.entries(attributes)) assign(node, name, value);
  return node;
}

function shown(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

function assign(node, name, value) {
  if (value === null || value === undefined || (value === false && !PROPERTIES.has(name))) return;
  if (name === "on")
    for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
  else if (name === "css") for (const [key, text] of Object.entries(value)) node.style.setProperty(key, text);
  else if (name === "data") Object.assign(node.dataset, value);
  else if (PROPERTIES.has(name)) node[name] = value;
  else node.setAttribute(name, value === true ? "" : value);
}
