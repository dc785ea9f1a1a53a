export * from './delivery-suite.ts'
export * from './eventually.ts'
export * from './memory-ground.ts'
export * from './test-events.ts'
