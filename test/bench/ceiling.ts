import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { manifestType, sha256, smallImage } from './content.ts';

/**
 * What Node.js itself can do with a manifest: a map from the bytes of a target to a finished answer, and nothing that a registry has to do. Arguments: a
 * port and, for TLS, the files of a certificate and its key.
 */
const manifests = 100;

interface Finished {
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body: Buffer;
}

const finished = new Map<string, Finished>([
  ['/v2/', { headers: { 'content-length': 2 }, body: Buffer.from('{}') }],
]);
for (let number = 0; number < manifests; number += 1) {
  const { tag, manifest } = smallImage(number);
  const digest = sha256(manifest);
  const headers = {
    'content-type': manifestType,
    'content-length': manifest.length,
    'docker-content-digest': digest,
  };
  for (const reference of [tag, digest])
    finished.set(`/v2/bench/manifests/${reference}`, { headers, body: manifest });
}

function answer({ method, url = '' }: IncomingMessage, response: ServerResponse): void {
  const found = finished.get(url);
  if (found === undefined) response.writeHead(404).end();
  else response.writeHead(200, found.headers).end(method === 'HEAD' ? undefined : found.body);
}

const [port, certFile, keyFile] = process.argv.slice(2);
const server =
  certFile === undefined || keyFile === undefined
    ? createServer(answer)
    : createTlsServer({ cert: readFileSync(certFile), key: readFileSync(keyFile) }, answer);
server.listen(Number(port), '127.0.0.1');
