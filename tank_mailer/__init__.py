"""tank-mailer: e-mail jobs from SQS, out through Amazon SES."""

__version__ = "0.1.0"
