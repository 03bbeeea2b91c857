/** Words that other programs have for keys of ours, in lower case. */
const otherWords: ReadonlyMap<string, string> = new Map([
  ['username', 'user'],
  ['host', 'name'],
  ['hostname', 'name'],
  ['url', 'name'],
  ['server', 'name'],
  ['mirror', 'endpoints'],
  ['mirrors', 'endpoints'],
  ['insecure', 'insecureSkipVerify'],
  ['cacert', 'ca'],
  ['ttl', 'freshness'],
  ['directory', 'imagePath'],
]);

/** Our key for it. */
export function ownWord(key: string): string | undefined {
  return otherWords.get(key.toLowerCase());
}
