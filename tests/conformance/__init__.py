"""The same cases on the stand-in and on moto's server; the stricter ones on the stand-in alone."""
