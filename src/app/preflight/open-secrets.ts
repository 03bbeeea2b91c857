import { realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Problem } from '../../config/problem.ts';
import type { Config, RegistryConfig } from '../../config/schema.ts';
import type { Path } from '../../config/schema-tree.ts';
import type { Secret } from '../../config/secret.ts';
import { fileNames } from '../../credentials/providers/docker-config-credentials.ts';
import { credentialChoice } from '../credential-choice.ts';
import { keysFile } from '../keys-file.ts';

interface SecretFile {
  readonly at: Path;
  readonly file: string;
}

/** Files with passwords and keys that every user of the machine can read: the configuration itself, and those that it names. */
export async function secretFileWarnings(config: Config, file: string | undefined): Promise<Problem[]> {
  const named = [
    { at: ['serverTlsConfig', 'key'], file: config.serverTlsConfig.key },
    { at: ['admin', 'passwordFile'], file: config.admin.passwordFile },
    { at: ['admin', 'tokenFile'], file: config.admin.tokenFile },
    ...config.listeners.map(({ tls }, index) => ({
      at: ['listeners', index, 'tls', 'key'],
      file: tls?.key ?? '',
    })),
    ...config.notifications.endpoints.map(({ secretFile }, index) => ({
      at: ['notifications', 'endpoints', index, 'secretFile'],
      file: secretFile,
    })),
    {
      at: ['notifications', 'incoming', 'secretFile'],
      file: config.notifications.incoming?.secretFile ?? '',
    },
    ...doorFiles(config),
    ...config.registries.flatMap(filesOf),
  ];
  const found = named.map(async ({ at, file: path }): Promise<Problem[]> => {
    if (path === '' || !(await isOpen(path))) return [];
    return [{ path: at, message: openMessage(path), at: 'value' }];
  });
  const own = literals(config).map(async (at): Promise<Problem[]> => {
    if (file === undefined || !(await isOpen(file))) return [];
    return [
      {
        path: at,
        message: `a secret stands in a file that every user of this machine can read: chmod o-r`,
        at: 'key',
      },
    ];
  });
  return (await Promise.all([...own, ...found])).flat();
}

/** By which clients are known, and counted. */
function doorFiles({ auth, imagePath, storage }: Config): SecretFile[] {
  const at = (...path: Path): Path => ['auth', ...path];
  const clients = auth?.oauth?.clients ?? [];
  return [
    { at: at('basic', 'htpasswdFile'), file: auth?.basic?.htpasswdFile ?? '' },
    { at: at('tokenService', 'keyFile'), file: auth?.tokenService?.keyFile ?? '' },
    { at: at('oauth', 'signing', 'secretFile'), file: auth?.oauth?.signing.secretFile ?? '' },
    ...clients.map(({ secretFile }, index) => ({
      at: at('oauth', 'clients', index, 'secretFile'),
      file: secretFile,
    })),
    { at: ['storage', 'coordination', 'urlFile'], file: storage.coordination.urlFile },
    { at: ['imagePath'], file: auth === undefined ? '' : join(imagePath, keysFile) },
  ];
}

function openMessage(path: string): string {
  return `the file ${JSON.stringify(path)} can be read by every user of this machine: chmod o-r`;
}

function filesOf(registry: RegistryConfig, index: number): SecretFile[] {
  const { auth, tls } = registry;
  const at = (...path: Path): Path => ['registries', index, ...path];
  const chosen = credentialChoice(registry);
  const source = chosen.kind === 'provider' ? chosen.provider.file : undefined;
  return [
    { at: at('auth', 'passwordFile'), file: auth.passwordFile },
    { at: at('auth', 'token', 'staticFile'), file: auth.token.staticFile },
    ...auth.accounts.map(({ passwordFile }, account) => ({
      at: at('auth', 'accounts', account, 'passwordFile'),
      file: passwordFile,
    })),
    { at: at('auth', 'token', 'providerOpts'), file: source ?? '' },
    { at: at('tls', 'key'), file: tls.key },
  ];
}

/** Where a secret stands in the configuration itself. */
function literals({ upstream, registries }: Config): Path[] {
  return [
    ...(hasPassword(upstream.proxy) ? [['upstream', 'proxy']] : []),
    ...registries.flatMap(({ auth, upstream: own }, index): Path[] => [
      ...(auth.password && !auth.passwordFile && !auth.passwordFromEnv
        ? [['registries', index, 'auth', 'password']]
        : []),
      ...(auth.token.static && !auth.token.staticFile && !auth.token.staticFromEnv
        ? [['registries', index, 'auth', 'token', 'static']]
        : []),
      ...(hasPassword(own.proxy) ? [['registries', index, 'upstream', 'proxy']] : []),
    ]),
  ];
}

function hasPassword(proxy: Secret | undefined): boolean {
  return proxy?.reveal().includes('@') === true;
}

/** May others read it, and come to it? A folder (of a pull secret) is open when its file is. */
async function isOpen(path: string): Promise<boolean> {
  try {
    const real = await realpath(path);
    const stats = await stat(real);
    if (stats.isDirectory()) return await isOneOpen(fileNames.map((name) => join(real, name)));
    return (stats.mode & 0o004) !== 0 && (await isReachable(dirname(real)));
  } catch {
    return false;
  }
}

async function isOneOpen(paths: readonly string[]): Promise<boolean> {
  for (const path of paths) if (await isOpen(path)) return true;
  return false;
}

async function isReachable(folder: string): Promise<boolean> {
  if (((await stat(folder)).mode & 0o001) === 0) return false;
  return dirname(folder) === folder || (await isReachable(dirname(folder)));
}
