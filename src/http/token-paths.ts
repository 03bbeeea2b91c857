import type { Exchange } from './exchange/exchange.ts';

/** Paths of our own that have nothing to do with any registry: where clients get tokens. Whoever asks there need not be known yet. */
export interface TokenPaths {
  has(path: string): boolean;
  /** Of a path that there is. Throws RegistryError. */
  answer(exchange: Exchange): Promise<void>;
}
