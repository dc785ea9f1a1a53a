import { installedManifest, lockedPackages } from '../packages/locked-packages.ts'

/** SPDX ids that a service may be made of: they ask for no more than a notice. */
const allowedLicences: ReadonlySet<string> = new Set([
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'CC0-1.0',
  'ISC',
  'MIT',
  'MIT-0',
  'Python-2.0',
  'Unlicense',
  'Zlib',
])

/** Installed packages of the running service whose licence is not allowed, or not said. */
export function findLicenceProblems(root: string): string[] {
  return lockedPackages(root).flatMap((locked) => {
    const manifest = installedManifest(root, locked)
    if (manifest === undefined || isAllowed(manifest.license)) return []
    return [`${locked.name}@${locked.version} has the licence ${JSON.stringify(manifest.license ?? null)}`]
  })
}

/** Whether an SPDX expression can be met: one of `OR`, all of `AND`; no exceptions. */
export function isAllowed(licence: unknown): boolean {
  if (typeof licence !== 'string') return false
  const text = licence.trim().replace(/^\((.*)\)$/, '$1')
  if (/[()]/.test(text)) return false
  return text
    .split(/ OR /i)
    .some((choice) => choice.split(/ AND /i).every((id) => allowedLicences.has(id.trim())))
}
