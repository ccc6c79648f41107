/**
 * What the page shows, as a value; and that value as an address. Everything but uploaded images stands in the
 * query string. Images stand in the fragment: it never travels to a server, and may be long.
 */

import { LISTS, RANGES } from "./fields.js";

export const VIEWS = ["explore", "funnel", "dropped", "threshold", "subsets"];
const SAFE_MODES = ["hide", "blur", "show"];
const WEIGHTED = /^(-?\d+(?:\.\d+)?)\*([^]*)$/;
const OPTIONS = ["reason", "field", "cut", "subset"];

/** Returns filters that admit everything that is safe. */
export function emptyFilters() {
  return { lists: {}, ranges: {}, text: "", from: "", until: "", safe: "hide" };
}

/** Returns the state of a page just opened. */
export function emptyState() {
  return {
    view: "explore",
    dataset: "",
    modality: "image",
    parts: [],
    filters: emptyFilters(),
    collapse: { phash: null, cosine: null },
    sample: "",
    options: {},
  };
}

/** Returns the state of an address; what it does not understand is left out. */
export function readState(search, hash = "") {
  const query = new URLSearchParams(search);
  const state = emptyState();
  const view = query.get("view");
  if (VIEWS.includes(view)) state.view = view;
  state.dataset = query.get("dataset") ?? "";
  if (query.get("modality") === "text") state.modality = "text";
  state.parts = [
    ...query.getAll("q").map((text) => readPart("text", text)),
    ...query.getAll("like").map((text) => readPart("sample", text)),
    ...new URLSearchParams(hash.replace(/^#/, "")).getAll("image").map((text) => readPart("image", text)),
  ].filter((part) => part.value !== "");
  readFilters(query, state.filters);
  state.collapse.phash = readNumber(query.get("phash"));
  state.collapse.cosine = readNumber(query.get("cosine"));
  state.sample = query.get("sample") ?? "";
  for (const name of OPTIONS) if (query.has(name)) state.options[name] = query.get(name);
  return state;
}

/** Returns the address of a state, to be resolved against the page's own. */
export function writeState(state) {
  const query = new URLSearchParams();
  if (state.view !== "explore") query.set("view", state.view);
  if (state.dataset) query.set("dataset", state.dataset);
  if (state.modality !== "image") query.set("modality", state.modality);
  for (const part of state.parts) {
    if (part.kind === "text") query.append("q", writePart(part));
    if (part.kind === "sample") query.append("like", writePart(part));
  }
  writeFilters(query, state.filters);
  if (state.collapse.phash !== null) query.set("phash", state.collapse.phash);
  if (state.collapse.cosine !== null) query.set("cosine", state.collapse.cosine);
  for (const name of OPTIONS) if (state.options[name]) query.set(name, state.options[name]);
  if (state.sample) query.set("sample", state.sample);
  const images = state.parts
    .filter((part) => part.kind === "image")
    .map((part) => ["image", writePart(part)]);
  const search = query.toString();
  const hash = new URLSearchParams(images).toString();
  return `${search ? `?${search}` : "?"}${hash ? `#${hash}` : ""}`;
}

/** Returns a state with some of its fields replaced. */
export function changed(state, change) {
  return { ...state, ...change };
}

/** Returns filters without one field. */
export function withoutField(filters, field) {
  const lists = { ...filters.lists };
  const ranges = { ...filters.ranges };
  delete lists[field];
  delete ranges[field];
  const rest = { ...filters, lists, ranges };
  if (field === "text_contains") rest.text = "";
  if (field === "fetched_at") [rest.from, rest.until] = ["", ""];
  return rest;
}

/** Returns the fields by which filters restrict, safe mode apart. */
export function activeFields(filters) {
  return [
    ...LISTS.filter((field) => filters.lists[field]?.length),
    ...RANGES.filter((field) => filters.ranges[field]),
    ...(filters.text ? ["text_contains"] : []),
    ...(filters.from || filters.until ? ["fetched_at"] : []),
  ];
}

function readFilters(query, filters) {
  for (const field of LISTS) if (query.has(field)) filters.lists[field] = query.getAll(field);
  for (const field of RANGES) {
    const ends = (query.get(field) ?? "").split("..");
    if (ends.length !== 2) continue;
    const range = { min: readNumber(ends[0]), max: readNumber(ends[1]) };
    if (range.min !== null || range.max !== null) filters.ranges[field] = range;
  }
  filters.text = query.get("text") ?? "";
  const dates = (query.get("fetched") ?? "").split("..");
  if (dates.length === 2) [filters.from, filters.until] = dates.map(readDate);
  if (SAFE_MODES.includes(query.get("safe"))) filters.safe = query.get("safe");
}

function writeFilters(query, filters) {
  for (const field of LISTS) for (const value of filters.lists[field] ?? []) query.append(field, value);
  for (const field of RANGES) {
    const range = filters.ranges[field];
    if (range) query.set(field, `${range.min ?? ""}..${range.max ?? ""}`);
  }
  if (filters.text) query.set("text", filters.text);
  if (filters.from || filters.until) query.set("fetched", `${filters.from}..${filters.until}`);
  if (filters.safe !== "hide") query.set("safe", filters.safe);
}

function readPart(kind, text) {
  const found = WEIGHTED.exec(text);
  return found ? { kind, value: found[2], weight: Number(found[1]) } : { kind, value: text, weight: 1 };
}

function writePart({ value, weight }) {
  return weight === 1 && !WEIGHTED.test(value) ? value : `${weight}*${value}`;
}

function readNumber(text) {
  if (text === null || text.trim() === "") return null;
  const number = Number(text);
  return Number.isFinite(number) ? number : null;
}

function readDate(text) {
  return /^\d{4}-\d{2}-\d{2}$/.test(text) ? text : "";
}
