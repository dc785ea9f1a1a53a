import { createHash } from 'node:crypto'
import { installedManifest, type LockedPackage, lockedPackages } from './locked-packages.ts'

interface Service {
  readonly name: string
  readonly version: string
  readonly license: string
}

/**
 * What a build of the service consists of: CycloneDX 1.6.
 *
 * The same lock gives the same bytes: it has no time of day, and its serial number is made from what it lists.
 *
 * @see https://cyclonedx.org/docs/1.6/json/
 */
export function createSbom(root: string, service: Service, runtime: { name: string; version: string }) {
  const packages = lockedPackages(root)
  const reference = new Map(packages.map((locked) => [locked.folder, `${purlOf(locked)}#${locked.folder}`]))
  const refsOf = (folders: readonly string[]) => folders.flatMap((folder) => reference.get(folder) ?? [])
  const runtimeRef = `${runtime.name}@${runtime.version}`
  const components = [
    { type: 'platform', 'bom-ref': runtimeRef, ...runtime, purl: `pkg:generic/${runtimeRef}` },
    ...packages.map((locked) => ({
      type: 'library',
      'bom-ref': reference.get(locked.folder),
      name: locked.name,
      version: locked.version,
      purl: purlOf(locked),
      hashes: hashesOf(locked),
      ...licencesOf(installedManifest(root, locked)?.license),
    })),
  ]
  const needed = new Set(packages.flatMap(({ needs }) => needs))
  const roots = packages.map(({ folder }) => folder).filter((folder) => !needed.has(folder))
  const self = `${service.name}@${service.version}`
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${uuidOf(JSON.stringify([self, components]))}`,
    version: 1,
    metadata: {
      component: {
        type: 'application',
        'bom-ref': self,
        name: service.name,
        version: service.version,
        licenses: [{ license: { id: service.license } }],
      },
    },
    components,
    dependencies: [
      { ref: self, dependsOn: [runtimeRef, ...refsOf(roots)] },
      { ref: runtimeRef, dependsOn: [] },
      ...packages.map(({ folder, needs }) => ({ ref: reference.get(folder), dependsOn: refsOf(needs) })),
    ],
  }
}

function purlOf({ name, version }: LockedPackage): string {
  return `pkg:npm/${name.replace('@', '%40')}@${version}`
}

function hashesOf({ integrity }: LockedPackage) {
  const [algorithm, digest = ''] = integrity.split('-')
  if (algorithm !== 'sha512') return []
  return [{ alg: 'SHA-512', content: Buffer.from(digest, 'base64').toString('hex') }]
}

function licencesOf(licence: unknown) {
  if (typeof licence !== 'string') return {}
  return {
    licenses: / |\(/.test(licence) ? [{ expression: licence }] : [{ license: { id: licence } }],
  }
}

/** A UUID of version 8, RFC 9562: its bits are ours. */
function uuidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex')
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-')
}
