/** Which addresses may be connected to. Its refusals are RegistryError DENIED (403). */
export interface AddressRule {
  /** Before a request: as far as the URL says by itself where that is. A proxy that resolves names is not ours to check. */
  checkUrl(url: URL): void;
  /** Before a connection: those of a name's addresses that may be connected to. Throws if there are some, and none may. */
  allowed(url: URL, addresses: readonly string[]): readonly string[];
  /** After a connection. */
  connected(url: URL, address: string): void;
}
