/**
 * `node:http`, not imported: an import reads all that a module exports, of this one its WebSocket too, for which Node loads an HTTP client of its own. That is 15 MiB
 * of memory, and a tenth of the start.
 */
export const http = process.getBuiltinModule('node:http');
