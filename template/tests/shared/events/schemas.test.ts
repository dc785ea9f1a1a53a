import { expect, test } from 'bun:test'
import { resolve } from 'node:path'
import { findServiceContractProblems } from '@kiln/shared/checks'
import { registry } from '../../../../src/infrastructure/events.ts'

const root = resolve(import.meta.dirname, '../../../..')

test('every contract is that of its committed snapshots, and reads its golden payloads', () => {
  expect(findServiceContractProblems(root, registry.contracts)).toEqual([])
})
