/**
 * May this status of a HEAD be about the method, and not about what was asked for? Proxies and stores in front of registries
 * answer HEAD with 400, 401, 403, 404 or 405 for what they give to a GET. 429 is no opinion about the method, and 5xx is an outage.
 */
export function mayBeAboutHead(status: number): boolean {
  return status === 501 || (status >= 400 && status < 500 && status !== 429);
}

/** Statuses that are about the method for certain (RFC 9110 sections 15.5.6 and 15.6.2). */
export function isAboutHead(status: number): boolean {
  return status === 405 || status === 501;
}
