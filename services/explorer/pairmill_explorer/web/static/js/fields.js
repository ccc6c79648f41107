/** What the fields of `Filters` are called, and in which order they stand. */

/** Fields whose value is one of many. */
export const LISTS = ["verdicts", "reasons", "languages", "buckets", "hosts", "licences", "crawls"];

/** Fields whose value is a number. */
export const SCORES = ["similarity", "aesthetic_score", "unsafe_score", "watermark_score", "toxicity"];
export const SIZES = ["width", "height", "aspect"];
export const RANGES = [...SCORES, ...SIZES];

/** Whether a sample is the better for a high score: which side of a cut would be kept. */
export const HIGHER_IS_BETTER = new Set(["similarity", "aesthetic_score"]);

const LABELS = {
  verdicts: "Verdict",
  reasons: "Reason",
  languages: "Language",
  buckets: "Language bucket",
  hosts: "Host",
  licences: "Licence",
  crawls: "Crawl",
  similarity: "Similarity",
  aesthetic_score: "Aesthetic",
  unsafe_score: "Unsafe",
  watermark_score: "Watermark",
  toxicity: "Toxicity",
  width: "Width",
  height: "Height",
  aspect: "Aspect ratio",
  text_contains: "Text contains",
  fetched_at: "Fetched",
};

const EMPTY = { languages: "undetermined", licences: "none declared", reasons: "no reason" };
const INTEGER = new Set(["width", "height"]);

/** Returns a field's name for people. */
export function fieldLabel(field) {
  return LABELS[field] ?? humanise(field);
}

/** Returns a value of a list for people. */
export function valueLabel(field, value) {
  if (value === "") return EMPTY[field] ?? "none";
  if (field === "languages") return languageLabel(value);
  if (field === "reasons" || field === "verdicts") return humanise(value);
  return value;
}

/** Returns a language's English name with its code. */
export function languageLabel(code) {
  if (!code) return EMPTY.languages;
  try {
    const name = new Intl.DisplayNames(["en"], { type: "language" }).of(code);
    return name && name !== code ? `${name} (${code})` : code;
  } catch {
    return code; // a code that is none, as a dataset may hold
  }
}

/** Whether a number of this field is a whole one. */
export function isWhole(field) {
  return INTEGER.has(field);
}

/** Returns `low_similarity` as `low similarity`. */
export function humanise(name) {
  return name.replaceAll("_", " ");
}
