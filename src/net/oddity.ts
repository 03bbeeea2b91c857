/** Tells of what upstream does wrong and what was done about it. */
export type OnOddity = (message: string, fields: Readonly<Record<string, unknown>>) => void;
