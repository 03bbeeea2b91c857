import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import {
  type Component,
  componentsOf,
  find,
  javaPrograms,
  ownPrograms,
  pythonPrograms,
} from './components.ts';

/**
 * Installs what of `components.ts` is wanted and this machine lacks, by apt, go, pip and Maven alone. Quick when all is there. Returns
 * what could not be installed, one sentence each.
 */
export function installComponents(wanted: readonly Component[]): string[] {
  const missing = wanted.filter(({ name }) => find(name) === undefined);
  return [
    ...installPackages(missing.flatMap(aptPackages)),
    ...missing.flatMap(buildProgram),
    ...missing.flatMap(unpackArtifact),
    ...installPython(missing.flatMap(pythonPackages)),
  ];
}

function aptPackages({ install }: Component): readonly string[] {
  return 'apt' in install ? install.apt : [];
}

/** Debian asks this program whether a package may start its service at once; 101 says no. */
const servicePolicy = '/usr/sbin/policy-rc.d';

function installPackages(packages: readonly string[]): string[] {
  if (packages.length === 0) return [];
  if (find('apt-get') === undefined) return [`There is no apt-get here to install ${packages.join(', ')}.`];
  if (process.getuid?.() !== 0)
    return [`Only root may install ${packages.join(', ')}: sudo npm run test:setup`];
  const policyIsOurs = !existsSync(servicePolicy);
  if (policyIsOurs) writeFileSync(servicePolicy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    const done =
      run('apt-get', ['update', '-q']) &&
      run('apt-get', ['install', '-q', '-y', '--no-install-recommends', ...packages]);
    if (!done) return [`apt-get could not install ${packages.join(', ')}.`];
    keepServicesOff(packages);
    return [];
  } finally {
    if (policyIsOurs) rmSync(servicePolicy);
  }
}

/** Tests start their own copies; what the packages bring as services must not come up with the next boot either. */
function keepServicesOff(packages: readonly string[]): void {
  if (find('systemctl') === undefined) return;
  for (const name of packages) {
    const unit = `${name}.service`;
    if (existsSync(`/lib/systemd/system/${unit}`)) run('systemctl', ['--quiet', 'disable', unit]);
  }
}

function buildProgram({ name, install }: Component): string[] {
  if (!('go' in install)) return [];
  if (find('go') === undefined) installPackages(['golang-go']);
  const go = find('go');
  if (go === undefined) return [`${name} is built by Go, which is not installed.`];
  mkdirSync(ownPrograms, { recursive: true });
  if (install.staged !== undefined) return buildStaged(go, name, install.go, install.staged);
  // Go gives a program the name of its folder, which may be that of another version.
  const folder = mkdtempSync(join(ownPrograms, '.go-'));
  const done = run(go, ['install', install.go], { GOBIN: folder });
  for (const built of readdirSync(folder)) renameSync(join(folder, built), join(ownPrograms, name));
  rmSync(folder, { recursive: true });
  if (done) return [];
  return [`go install ${install.go} failed; it needs Go 1.25, or 1.21 where Go may fetch a newer toolchain.`];
}

/**
 * Of a module whose go.mod replaces others by folders of its own (`=> ./staging/…`), which no other module can be built with: each is published too, in this version.
 */
function buildStaged(
  go: string,
  name: string,
  command: string,
  { module, version }: { readonly module: string; readonly version: string },
): string[] {
  const [path = '', moduleVersion = ''] = command.split('@');
  const folder = mkdtempSync(join(ownPrograms, '.go-'));
  try {
    const fetched = ['mod', 'download', '-json', `${module}@${moduleVersion}`];
    const { stdout } = spawnSync(go, fetched, { cwd: folder, encoding: 'utf8' });
    const { GoMod: file } = JSON.parse(stdout) as { GoMod?: string };
    const text = file === undefined ? '' : readFileSync(file, 'utf8');
    const [, language = ''] = /^go (\S+)$/m.exec(text) ?? [];
    const staged = [...text.matchAll(/^\s*(\S+) => \.\/staging\//gm)].map(([, one]) => one);
    const lines = staged.flatMap((one) => [
      `require ${one} ${version}`,
      `replace ${one} => ${one} ${version}`,
    ]);
    const head = ['module built', `go ${language}`, `require ${module} ${moduleVersion}`];
    writeFileSync(join(folder, 'go.mod'), `${[...head, ...lines].join('\n')}\n`);
    const build = ['build', '-mod=mod', '-o', join(ownPrograms, name), path];
    return run(go, build, {}, folder) ? [] : [`go build ${command} failed.`];
  } catch (error) {
    return [`${command} cannot be built: ${String(error)}`];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function unpackArtifact({ name, install }: Component): string[] {
  if (!('maven' in install)) return [];
  if (find('mvn') === undefined) installPackages(['maven']);
  const mvn = find('mvn');
  if (mvn === undefined) return [`${name} is fetched by Maven, which is not installed.`];
  const options = [`-Dartifact=${install.maven}`, `-DoutputDirectory=${javaPrograms}`];
  // Outside of a project of its own it leaves marks in the folder that it is run in.
  mkdirSync(javaPrograms, { recursive: true });
  return run(mvn, ['-q', '-B', '-ntp', 'dependency:unpack', ...options], {}, javaPrograms)
    ? []
    : [`Maven could not fetch ${install.maven}.`];
}

function pythonPackages({ install }: Component): readonly string[] {
  return 'pip' in install ? [install.pip] : [];
}

function installPython(packages: readonly string[]): string[] {
  if (packages.length === 0) return [];
  if (!run('python3', ['-c', 'import ensurepip'])) installPackages(['python3-venv']);
  const done =
    run('python3', ['-m', 'venv', pythonPrograms]) &&
    run(`${pythonPrograms}/bin/pip`, ['install', '--quiet', ...packages]);
  return done ? [] : [`pip could not install ${packages.join(', ')}.`];
}

/** Whether the command ended well; what it prints goes to stderr. */
function run(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  cwd = process.cwd(),
): boolean {
  console.error(`+ ${program} ${args.join(' ')}`);
  const { status } = spawnSync(program, args, {
    stdio: ['ignore', 2, 2],
    cwd,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', ...env },
  });
  return status === 0;
}

if (import.meta.main) {
  const failures = installComponents(componentsOf(process.argv[2]));
  for (const failure of failures) console.error(failure);
  process.exitCode = failures.length === 0 ? 0 : 1;
}
