/**
 * The same bytes in memory of their own, copied only where they are a part of something larger: of Node's pool, in which a manifest of a
 * kilobyte keeps 64, or of what was received. For what is kept, and counted by its length.
 */
export function ownBytes(bytes: Uint8Array): Uint8Array {
  if (bytes.buffer.byteLength === bytes.byteLength) return bytes;
  const own = Buffer.allocUnsafeSlow(bytes.byteLength);
  own.set(bytes);
  return own;
}
