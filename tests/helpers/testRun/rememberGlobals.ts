type Properties = Map<PropertyKey, PropertyDescriptor>;

function propertiesOf(target: object): Properties {
  const keys = Reflect.ownKeys(target);
  return new Map(
    keys.map((key) => [key, Reflect.getOwnPropertyDescriptor(target, key) as PropertyDescriptor]),
  );
}

const isSame = (a: PropertyDescriptor | undefined, b: PropertyDescriptor): boolean =>
  a !== undefined && a.value === b.value && a.get === b.get && a.set === b.set;

/** Undoes what was added to an object, taken from it or replaced in it. */
function restoreProperties(target: object, before: Properties): void {
  for (const key of Reflect.ownKeys(target)) {
    if (!before.has(key)) Reflect.deleteProperty(target, key);
  }
  for (const [key, property] of before) {
    if (isSame(Reflect.getOwnPropertyDescriptor(target, key), property)) continue;
    Reflect.defineProperty(target, key, property);
  }
}

function removeNewListeners(before: Map<string | symbol, readonly unknown[]>): void {
  for (const name of process.eventNames()) {
    for (const listener of process.rawListeners(name)) {
      if (before.get(name)?.includes(listener)) continue;
      process.removeListener(name, listener as never);
    }
  }
}

/**
 * Remembers the globals, the environment variables, and the properties and listeners of `process`.
 * @returns a function that restores them, so that one test file cannot affect the next
 */
export function rememberGlobals(): () => void {
  const globals = propertiesOf(globalThis);
  const ofProcess = propertiesOf(process);
  const variables = { ...process.env };
  const listeners = new Map(
    process.eventNames().map((name) => [name, process.rawListeners(name as never)]),
  );
  return () => {
    restoreProperties(globalThis, globals);
    restoreProperties(process, ofProcess);
    for (const name of Object.keys(process.env)) {
      if (!(name in variables)) Reflect.deleteProperty(process.env, name);
    }
    Object.assign(process.env, variables);
    removeNewListeners(listeners);
  };
}
