# The shared image for those who use buildx themselves, in the root of a clone:
#
#   cargo xtask build-image --programs --platform linux/amd64,linux/arm64     berth-init, for both platforms
#   docker buildx bake -f docker/docker-bake.hcl --load                       the sample
#   APP=../mail COMPILE=yes TAG=registry.example.test/mail:v1 docker buildx bake -f docker/docker-bake.hcl --push
#
# With SOURCE_DATE_EPOCH set, and --provenance=false, the same input makes the same image.

variable "APP" {
  description = "The application's folder"
  default     = "docker/app"
}

variable "TAG" {
  description = "What the image is called"
  default     = "berth/postbox:dev"
}

variable "PLATFORMS" {
  description = "For which platforms, with commas; empty: the builder's"
  default     = ""
}

variable "COMPILE" {
  description = "yes: some of the application's packages have to be compiled. None of the sample's has"
  default     = "no"
}

variable "LICENCES_OF" {
  description = "Packages whose licence is not on the list of docker/Dockerfile, and was read and accepted: NAME or NAME@VERSION"
  default     = ""
}

variable "NODE_IMAGE" {
  description = "The Node that the application asks for; by digest, take what `cargo xtask bases` prints"
  default     = "node:24-bookworm-slim"
}

variable "BUILDER_IMAGE" {
  description = "The same, with compilers"
  default     = "node:24-bookworm"
}

variable "BASE_IMAGE" {
  description = "What the image is made from"
  default     = "debian:bookworm-slim"
}

variable "NODE_EXTRA_CA_CERTS" {
  description = "Certificates that npm needs on this machine beside its own, as behind a proxy"
  default     = ""
}

variable "NPMRC" {
  description = "npm's settings of registries and their tokens"
  default     = ""
}

group "default" {
  targets = ["image"]
}

target "image" {
  context    = APP
  dockerfile = "cwd://docker/Dockerfile"
  contexts = {
    recipe = "docker/recipe"
    berth  = "target/image/berth"
  }
  args = {
    NODE_IMAGE    = NODE_IMAGE
    BUILDER_IMAGE = BUILDER_IMAGE
    BASE_IMAGE    = BASE_IMAGE
    COMPILE       = COMPILE
    LICENCES_OF   = LICENCES_OF
  }
  secret = compact([
    notequal("", NODE_EXTRA_CA_CERTS) ? "id=ca,src=${NODE_EXTRA_CA_CERTS}" : "",
    notequal("", NPMRC) ? "id=npmrc,src=${NPMRC}" : "",
  ])
  # By this `berth up` knows that it needs the sample's settings.
  labels    = equal(APP, "docker/app") ? { "berth.sample" = "postbox" } : {}
  platforms = compact(split(",", PLATFORMS))
  tags      = [TAG]
}
