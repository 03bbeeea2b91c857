/** Tells of what upstream does wrong and what was done about it. `error`: pulls fail of it, or nothing new is to be had. Default: `warn`. */
export type OnOddity = (
  message: string,
  fields: Readonly<Record<string, unknown>>,
  level?: 'warn' | 'error',
) => void;
