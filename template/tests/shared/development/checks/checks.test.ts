import { afterAll, describe, expect, test } from 'bun:test'
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import {
  findSizeProblems,
  findStructureProblems,
  freshLimits,
  lastingLimits,
  measureSize,
} from '@kiln/shared/checks'

const root = resolve(import.meta.dirname, '../../../../..')

describe('the structure of the tree', () => {
  const copies: string[] = []
  afterAll(() => {
    for (const copy of copies) rmSync(copy, { recursive: true })
  })

  function copyWith(file: string, text: string): string {
    const copy = mkdtempSync(join(tmpdir(), 'structure-'))
    copies.push(copy)
    for (const folder of ['src', 'shared']) {
      cpSync(join(root, folder), join(copy, folder), {
        recursive: true,
        filter: (path) => !path.includes('node_modules'),
      })
    }
    writeFileSync(join(copy, file), text)
    return copy
  }

  test('this tree has no problem', () => {
    expect(findStructureProblems(root)).toEqual([])
  })

  test.each([
    [
      'shared importing src',
      'shared/extra.ts',
      "import '../src/config.ts'",
      'shared comes before config, errors',
    ],
    [
      'a lower layer importing a higher one',
      'src/infrastructure/extra.ts',
      "import '../app.ts'",
      'comes before app',
    ],
    [
      'a module importing another',
      'src/modules/users/extra.ts',
      "import '../audit/audit.ts'",
      'modules talk through events',
    ],
    [
      'a type import across modules',
      'src/modules/users/extra.ts',
      "import type { AuditList } from '../audit/schemas.ts'",
      'modules talk through events',
    ],
    [
      'a service with tools in it',
      'src/infrastructure/extra.ts',
      "import { startPostgres } from '@kiln/shared/embedded'",
      'that is for development',
    ],
    ['a circle', 'src/infrastructure/extra.ts', "import './extra.ts'", 'imports in a circle'],
    ['a file without a layer', 'src/extra.ts', '', 'belongs to no layer'],
    ['a file that names a runtime', 'shared/extra.ts', 'Bun.sleepSync(1)', 'names a runtime'],
  ])('%s is found', (_, file, text, problem) => {
    const copy = copyWith(file, text)

    const problems = findStructureProblems(copy)

    expect(problems).toHaveLength(1)
    expect(problems[0]).toContain(problem)
  })
})

describe('the size of a created service', () => {
  test('it is within the limits', () => {
    expect(findSizeProblems(measureSize(root), { ...freshLimits, ...lastingLimits })).toEqual([])
  })

  test('a limit that is exceeded is named with its number', () => {
    const size = { ...measureSize(root), srcFiles: 46 }

    expect(findSizeProblems(size, freshLimits)).toEqual(['srcFiles is 46, at most 45'])
  })
})
