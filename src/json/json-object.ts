/** Some write it though RFC 8259 section 8.1 forbids it; whoever reads may ignore it. */
const byteOrderMark = /^\uFEFF/;

/**
 * What a token server, a cloud or a program answered, if that is JSON with fields. Undefined for anything else: the parser's
 * own message quotes the text, which may be a secret.
 */
export function jsonObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const json: unknown = JSON.parse(text.replace(byteOrderMark, ''));
    return typeof json === 'object' && json !== null ? (json as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
