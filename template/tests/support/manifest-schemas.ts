import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Manifest } from './kubernetes.ts'

const template = resolve(import.meta.dirname, '../..')

/** The packages that hold the schemas of what is no part of Kubernetes itself, by group. */
const packages: Readonly<Record<string, string>> = {
  'keda.sh': '@kubernetes-models/keda',
  'monitoring.coreos.com': '@kubernetes-models/prometheus-operator',
  'external-secrets.io': '@kubernetes-models/external-secrets',
}

const moduleOf = ({ apiVersion }: Manifest) =>
  `${packages[apiVersion.split('/')[0] ?? ''] ?? 'kubernetes-models'}/${apiVersion}`

interface Model {
  validate(): void
}

/** What the JSON schemas say about manifests: missing, mistyped and malformed fields. They allow unknown ones. */
export async function schemaProblems(manifests: readonly Manifest[]): Promise<readonly string[]> {
  const found = await Promise.all(
    manifests.map(async (manifest) => {
      const models = (await import(moduleOf(manifest))) as Readonly<
        Record<string, new (data: Manifest) => Model>
      >
      const Known = models[manifest.kind]
      if (Known === undefined) return `${manifest.kind} is not known`
      try {
        new Known(manifest).validate()
        return []
      } catch (error) {
        return `${manifest.kind} ${manifest.metadata.name}: ${error instanceof Error ? error.message : error}`
      }
    }),
  )
  return found.flat()
}

/** What the types that are made of the same schemas say: they also refuse unknown fields. Empty when there is nothing. */
export function typeProblems(manifests: readonly Manifest[]): string {
  // Inside of the template, where its packages are found.
  const folder = mkdtempSync(join(template, '.manifests-'))
  try {
    const lines = manifests.map(
      (manifest, index) =>
        `export const m${index}: import('${moduleOf(manifest)}').I${manifest.kind} = ${JSON.stringify(manifest)}`,
    )
    writeFileSync(join(folder, 'manifests.ts'), lines.join('\n'))
    const { stdout } = spawnSync(
      process.execPath,
      `x --no-install tsc --ignoreConfig --noEmit --strict --skipLibCheck --target esnext --module preserve --types bun-types ${join(folder, 'manifests.ts')}`.split(
        ' ',
      ),
      { cwd: resolve(template, '..'), encoding: 'utf8' },
    )
    return stdout
  } finally {
    rmSync(folder, { recursive: true })
  }
}
