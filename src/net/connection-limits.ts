/** Status line and header fields of one response. Bytes. */
export const maxHeadBytes = 32 * 1024;
/** An unread rest of this size is read away, to keep the connection; a longer one costs the connection. Bytes. */
export const drainedBytes = 16 * 1024;
/** An unused connection is kept so long. Milliseconds. */
export const idleMs = 15_000;
/**
 * Behind an answer whose end its own bytes do not show (a HEAD's) a connection is listened to for so long before it is used again: longer
 * than it takes until a lost segment is sent anew (RFC 6298 section 2.4). Milliseconds.
 */
export const restMs = 1000;
/** A connection that was used before may be silent for so long after a request, before a fresh one is tried. Milliseconds. */
export const silenceMs = 5000;
