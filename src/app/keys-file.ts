/** In the cache directory: the keys of our tokens. */
export const keysFile = 'token-keys.json';
