/** The columns of a sample, put in order for people. */

/** Titles of groups, and which columns stand in each. */
export const GROUPS = [
  [
    "Where it was found",
    ["page_url", "crawl", "wat_file", "wat_offset", "warc_file", "warc_offset", "link_index"],
  ],
  [
    "Consent evidence",
    ["robots", "consent", "licence", "http_status", "content_type", "final_url", "fetched_at"],
  ],
  ["Decision", ["verdict", "reason", "rule_version", "cluster_id", "model", "model_version"]],
  [
    "Image",
    [
      "WIDTH",
      "HEIGHT",
      "stored_width",
      "stored_height",
      "format",
      "body_bytes",
      "content_sha256",
      "md5",
      "phash",
      "exif",
    ],
  ],
];

const ADDRESSES = new Set(["URL", "url", "page_url", "final_url", "image_url"]);

/** Whether a column holds an address of the web. */
export function isAddress(name) {
  return ADDRESSES.has(name);
}

/** Returns columns by name: those of `data/`, then those of the shard's index that it does not have. */
export function mergedColumns(detail) {
  const columns = new Map();
  for (const field of [...(detail.fields ?? []), ...(detail.evidence ?? [])]) {
    if (!columns.has(field.name) || columns.get(field.name).null) columns.set(field.name, field);
  }
  return columns;
}
