'use strict';
const { default: Runtime } = require('jest-runtime');

/** Jest's way to load modules, except that a worker loads the product's own modules once (sharedModules.ts). */
module.exports = class WorkerRuntime extends Runtime {
  constructor(config, environment, resolver, transformer, sources, coverage, testPath, ...others) {
    super(config, environment, resolver, transformer, sources, coverage, testPath, ...others);
    this.product = environment.openProduct({
      root: config.rootDir,
      testPath,
      compiled: this.transformCache,
      covered: coverage.collectCoverage,
    });
  }

  requireModuleOrMock(from, name) {
    const found = this.product?.find(from, name);
    return found ? found.exports : super.requireModuleOrMock(from, name);
  }

  requireModule(from, name, ...others) {
    const found = name === undefined ? undefined : this.product?.find(from, name);
    return found ? found.exports : super.requireModule(from, name, ...others);
  }

  setMock(...args) {
    if (this.product) throw new Error('Only the test file itself may call jest.mock.');
    return super.setMock(...args);
  }
};
