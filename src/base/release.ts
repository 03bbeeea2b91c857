/** A buffer that is smaller may be a part of Node's pool. Bytes. */
const large = 64 * 1024;

/**
 * Gives the memory of large bytes back at once, if they are all that their buffer has: V8 thinks little of what lies outside its heap, and lets some
 * sixty megabytes of it wait. Nobody may have them any more.
 */
export function release({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && byteLength > large && buffer.byteLength === byteLength)
    buffer.transfer(0);
}
