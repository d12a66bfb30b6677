import { closeAll } from '../server/closing';

afterAll(closeAll);
