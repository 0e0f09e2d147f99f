// Why something that a person asked for cannot be. `message` is for the person.
export class WrongPassword extends Error {
  constructor(message = 'Wrong address or password') {
    super(message);
  }
}

export class NotFound extends Error {}

// There is one of this name already.
export class Taken extends Error {}

// It is there, and it stays as it is.
export class Fixed extends Error {}

export class TooBig extends Error {}

// `field` is what has to be corrected.
export class Invalid extends Error {
  constructor(field, message) {
    super(message);
    this.field = field;
  }
}
