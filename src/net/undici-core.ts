import { createRequire } from 'node:module';
import type { buildConnector as BuildConnector, errors as Errors } from 'undici';

const load = createRequire(import.meta.url);

/** Its errors, of which ours are: whoever knows them knows what went wrong. */
export const errors = load('undici/lib/core/errors.js') as typeof Errors;
/** Its way to a connection. All of undici would be a hundred files more, for which the first answer of a process waits. */
export const buildConnector = load('undici/lib/core/connect.js') as typeof BuildConnector;
