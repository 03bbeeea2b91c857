/** Status line and header fields of one response. Bytes. */
export const maxHeadBytes = 32 * 1024;
/** An unread rest of this size is read away, to keep the connection; a longer one costs the connection. Bytes. */
export const drainedBytes = 16 * 1024;
/** An unused connection is kept so long. Milliseconds. */
export const idleMs = 15_000;
