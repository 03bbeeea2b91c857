import {
  doctorFlags,
  explainAccessFlags,
  exportFlags,
  type Flag,
  htpasswdFlags,
  importFlags,
  listFlags,
  loadFlags,
  pinFlags,
  pruneFlags,
  refreshFlags,
  serveFlags,
  verifyFlags,
  wantedFlags,
} from './flags.ts';

/** A command as it is described: in the help and in docs/reference/cli.md. */
export interface CommandDescription {
  readonly name: string;
  readonly about: string;
  /** What may stand behind the command, as the help shows it. Absent: nothing may. */
  readonly operands?: { readonly name: string; readonly about: string };
  /** Besides the global ones. */
  readonly flags: readonly Flag[];
  /** What the running command does when it is sent one. */
  readonly signals?: readonly SignalDescription[];
}

export interface SignalDescription {
  readonly name: string;
  readonly about: string;
}

const serveSignals: readonly SignalDescription[] = [
  {
    name: 'SIGTERM, SIGINT',
    about: 'end it: running downloads may end (server.drainTimeout); a second one ends it at once',
  },
  {
    name: 'SIGHUP',
    about: 'open the log file again, read the certificates of serverTlsConfig again; not the configuration',
  },
];

const names = {
  name: '<PATTERN>',
  about:
    'regular expressions with commas between them, as list --pattern takes them; ^docker\\.io/library/alpine:3$ is one image',
};

export const commands = [
  { name: 'serve', about: 'Run the server', flags: serveFlags, signals: serveSignals },
  {
    name: 'load',
    about: 'Load images into the cache, also while a server runs on it',
    flags: loadFlags,
  },
  {
    name: 'list',
    about: 'List the cached images, also while a server runs',
    flags: listFlags,
  },
  {
    name: 'prune',
    about: 'Remove images from the cache, also while a server runs on it',
    flags: pruneFlags,
  },
  {
    name: 'pin',
    about: 'Keep what tags point at, whatever else is removed; also while a server runs',
    operands: names,
    flags: pinFlags,
  },
  {
    name: 'unpin',
    about: 'Keep what tags point at no longer',
    operands: names,
    flags: pinFlags,
  },
  {
    name: 'refresh',
    about: 'Ask upstream where tags point, however fresh they are; also while a server runs',
    operands: names,
    flags: refreshFlags,
  },
  {
    name: 'wanted',
    about: 'List what clients asked for across an air gap and is not cached, as load takes it',
    flags: wantedFlags,
  },
  {
    name: 'verify',
    about: 'Hash all that is stored and put aside what is wrong, also while a server runs',
    flags: verifyFlags,
  },
  {
    name: 'export',
    about: 'Write cached images into a bundle, an OCI image layout, also while a server runs',
    operands: {
      name: 'TO',
      about: 'a folder, a file whose name ends in .tar, or - for a tar on standard output',
    },
    flags: exportFlags,
  },
  {
    name: 'import',
    about: 'Bring images of bundles and of other directories into the cache, also while a server runs',
    operands: {
      name: 'FROM...',
      about:
        'bundles, tars, OCI layouts, directories of zot, of distribution (docker-registry) and of Ociregistry 1.17',
    },
    flags: importFlags,
  },
  {
    name: 'check-config',
    about: 'Check the configuration file and the flags of serve',
    flags: serveFlags,
  },
  {
    name: 'explain-access',
    about: 'Say which rule of access and policy decides about a request, and why; exit code 1: it is denied',
    flags: explainAccessFlags,
  },
  {
    name: 'doctor',
    about: 'Try each registry as the server would, and say what fails and what to look at',
    operands: {
      name: '[REGISTRY|IMAGE...]',
      about: 'what to try; none is every registry of the configuration',
    },
    flags: doctorFlags,
  },
  {
    name: 'htpasswd',
    about:
      'Make the line of a user for auth.basic.htpasswdFile: the password is typed, or comes by standard input',
    operands: { name: '<USER>', about: 'the name that the user shows' },
    flags: htpasswdFlags,
  },
  { name: 'version', about: 'Print the version', flags: [] },
] as const satisfies readonly CommandDescription[];

export type CommandName = (typeof commands)[number]['name'];
