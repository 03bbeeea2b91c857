/** A value that is there, or will be: on the way of every request nobody waits for what is known. */
export type Soon<Value> = Value | Promise<Value>;

/** Goes on with it: at once where it is there. */
export function soon<Value, Next>(value: Soon<Value>, next: (value: Value) => Soon<Next>): Soon<Next> {
  return value instanceof Promise ? value.then(next) : next(value);
}
