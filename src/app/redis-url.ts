/** What is wrong with the URL of a Redis server, as its client reads it; undefined: nothing. It has the password in it, and is not quoted. */
export function faultOfRedisUrl(text: string): string | undefined {
  const url = /^rediss?:\/\//.test(text) ? URL.parse(text) : null;
  if (url === null || url.hostname === '')
    return 'is not the URL of a Redis server, such as redis://redis:6379';
  if (!/^\/?[0-9]*$/.test(url.pathname))
    return 'has a path that is no number of a database, as in redis://redis:6379/1';
  if (![url.username, url.password].every(isEncoded))
    return 'has a user or a password with a % in it, which is written %25 in a URL';
  return undefined;
}

function isEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
