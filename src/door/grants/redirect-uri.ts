/** The loopback addresses, behind which a program listens where it finds a port (RFC 8252 section 7.3). */
const loopback = /^(http:\/\/(?:127\.0\.0\.1|\[::1\]))(?::([0-9]{1,5}))?(\/.*)?$/;

/**
 * Is it one of those that are registered, letter by letter (RFC 9700 section 4.1.3)? One of a loopback address that is registered without a port may come
 * with any.
 */
export function isRegistered(registered: readonly string[], asked: string): boolean {
  return registered.includes(asked) || registered.includes(withoutLoopbackPort(asked));
}

function withoutLoopbackPort(uri: string): string {
  const [, origin, port, path = ''] = loopback.exec(uri) ?? [];
  return origin === undefined || port === undefined || Number(port) > 65_535 ? uri : `${origin}${path}`;
}

/** With these parameters behind what it has (RFC 6749 section 3.1.2). */
export function withParameters(
  uri: string,
  parameters: Readonly<Record<string, string | undefined>>,
): string {
  const said = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) said.set(name, value);
  return `${uri}${uri.includes('?') ? '&' : '?'}${said}`;
}

/** Where a form that is answered by going there may lead, in the words of a Content-Security-Policy (`form-action`), which has none for an IPv6 address. */
export function formTarget(uri: string): string {
  const { protocol, hostname, origin } = new URL(uri);
  return origin === 'null' || hostname.startsWith('[') ? protocol : origin;
}
