/**
 * Images to search with. They are drawn anew at the size that models look at, so that an address can hold them, no
 * upload is large, and what cameras write beside a picture (places, times) never leaves the browser.
 */

const SHORTER_SIDE = 256;
const LONGEST_SIDE = 768;
const QUALITY = 0.9;

/** Returns an image file as base64url of a small JPEG; throws if the browser cannot read it. */
export async function imageValue(file) {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  const scale = Math.min(
    1,
    SHORTER_SIDE / Math.min(bitmap.width, bitmap.height),
    LONGEST_SIDE / Math.max(bitmap.width, bitmap.height),
  );
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  draw(canvas, bitmap);
  bitmap.close();
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
  return encode(new Uint8Array(await blob.arrayBuffer()));
}

/** Returns an address under which the page can show such a value; to be revoked when it is no more needed. */
export function imageObject(value) {
  const bytes = Uint8Array.from(atob(value.replaceAll("-", "+").replaceAll("_", "/")), (char) =>
    char.charCodeAt(0),
  );
  return URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
}

/** Returns the first image among files that were dropped, pasted or chosen. */
export function imageAmong(files) {
  return [...(files ?? [])].find((file) => file.type.startsWith("image/")) ?? null;
}

/** JPEG knows no transparency: what is see-through becomes white, as the pipeline does it. */
function draw(canvas, bitmap) {
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
}

function encode(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192)
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_");
}
