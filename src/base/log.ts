type Write = (fields: Readonly<Record<string, unknown>>, message: string) => void;

/** What the inner rooms need of a logger; pino is one. Fields never hold a secret, a message never quotes one. */
export interface Log {
  readonly debug: Write;
  readonly info: Write;
  readonly warn: Write;
  readonly error: Write;
}

export const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };
