import type { Exchange } from '../exchange/exchange.ts';
import { pagePolicy } from '../exchange/page-policy.ts';

const style =
  'body{font:1rem/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem}pre{overflow:auto}';

const policy = pagePolicy(style)("'none'");

/** The same for everybody: it repeats nothing of the request, and says nothing of the configuration. */
const page = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>ociregistry</title><meta name="viewport" content="width=device-width"><style>${style}</style></head>
<body>
<h1>ociregistry</h1>
<p>This is a pull-through cache for container images. It is made for container clients and has nothing else to show.</p>
<p>Put its host and port, here <code>cache:8080</code>, before the name of an image, with the registry’s own host:</p>
<pre>crane pull --insecure cache:8080/docker.io/library/alpine:3 alpine.tar</pre>
<p>Or let nodes ask it first and keep their usual names. For containerd, in <code>/etc/containerd/certs.d/_default/hosts.toml</code>:</p>
<pre>[host."http://cache:8080"]
  capabilities = ["pull", "resolve"]</pre>
<p>For Podman, CRI-O and skopeo, in <code>/etc/containers/registries.conf.d/cache.conf</code>:</p>
<pre>[[registry]]
prefix = "docker.io"
location = "docker.io"
[[registry.mirror]]
location = "cache:8080/docker.io"
insecure = true</pre>
<p>What is cached: <a href="/v2/_catalog">/v2/_catalog</a>.</p>
</body>
</html>
`;

/** `GET /`: `null` as the original has it, and a page for whoever looks with a browser. */
export function root(exchange: Exchange): void {
  const { request, response } = exchange;
  response.setHeader('Vary', 'Accept');
  if (!wantsPage(request.headers.accept)) {
    exchange.sendJson(200, null);
    return;
  }
  response.setHeader('Content-Security-Policy', policy);
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader('Referrer-Policy', 'no-referrer');
  exchange.send(200, 'text/html; charset=utf-8', page);
}

/** Only who names it: programs take anything. */
function wantsPage(accept = ''): boolean {
  const range = accept.split(',', 20).find((part) => /^\s*text\/html\s*(?:;|$)/i.test(part));
  return range !== undefined && !/;\s*q=0(?:\.0*)?\s*(?:;|$)/i.test(range);
}
