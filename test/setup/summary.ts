interface Diagnostic {
  readonly type: string;
  readonly data: { readonly message?: string; readonly nesting?: number };
}

/** Is it the first line of what the reporter prints last? */
export function isSummary({ type, data }: Diagnostic): boolean {
  return type === 'test:diagnostic' && data.nesting === 0 && data.message?.startsWith('tests ') === true;
}
