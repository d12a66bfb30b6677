import { closeAll } from './closing';

afterAll(closeAll);
